"""Money in and out, agents, delegates and cancellations through the relayer and a real node."""

import pytest
from django.core.management import call_command
from django.utils import timezone

from ledger import queries
from ledger.control import node
from ledger.queries import balances
from marketplace.accounts import actions
from marketplace.accounts.models import Participant
from marketplace.book import actions as book
from marketplace.book.models import Order
from suan.core.encoding import to_hex
from suan.core.signing.domains import market_domain, registry_domain
from suan.core.signing.structs import SetDelegate, WithdrawalRequest
from tests.book.market import TOKEN, Person, bid_body, custodial, now, problem, signed, wallet
from tests.core.signing.keys import Key
from tests.ledger.chain import World

pytestmark = pytest.mark.django_db(transaction=True)


def settle(world: World) -> None:
    """What is planned reaches the chain and becomes final; its facts reach the books."""
    for _ in range(4):
        for sender in node.senders():
            sender.step(now=timezone.now())
        world.anvil.mine(1)
        world.follow()
    world.finalise()
    for sender in node.senders():
        sender.step(now=timezone.now())
    world.follow()


def statuses(person: Person) -> dict[str, str]:
    return {row["kind"]: row["status"] for row in person.get("/account").json()["requests"]}


def test_the_faucet_fills_an_account_and_a_withdrawal_empties_it(chain: World, settings):
    settings.FAUCET, settings.FAUCET_TOKENS = True, 100 * TOKEN
    buyer = custodial("buyer")
    assert buyer.post("/account/faucet").status_code == 202
    settle(chain)
    assert balances(buyer.address).available == 100 * TOKEN
    assert statuses(buyer) == {"faucet": "final"}

    answer = buyer.post("/account/withdrawals", {"amount": "40"})
    assert answer.status_code == 202, answer.content
    assert balances(buyer.address).available == 60 * TOKEN, "the amount is held at once"
    problem(buyer.post("/account/withdrawals", {"amount": "61"}), 422, "insufficient_funds", "/amount")
    settle(chain)
    assert actions.execute_ready_withdrawals(now=now()) == 0
    seen = buyer.get("/account").json()
    assert (seen["balances"]["available"], seen["balances"]["exiting"]) == ("60", "40")
    assert (seen["balances"]["held"], seen["exits"][0]["amount"]) == ("0", "40")

    chain.anvil.rpc("evm_increaseTime", 60)
    chain.anvil.mine(1)
    chain.follow()
    later = now() + 60
    assert actions.execute_ready_withdrawals(now=later) == 1
    assert actions.execute_ready_withdrawals(now=later) == 0
    settle(chain)
    assert balances(buyer.address).exiting == 0
    seen = buyer.get("/account").json()
    assert (seen["balances"]["exiting"], seen["exits"], seen["market_nonce"]) == ("0", [], 1)
    assert statuses(buyer)["sweep"] == "final"


def test_a_wallet_gets_gas_and_tokens_of_its_own_from_the_faucet(chain: World, settings):
    settings.FAUCET, settings.FAUCET_TOKENS, settings.FAUCET_GAS_WEI = True, 5 * TOKEN, 10**17
    ada = wallet("ada")
    assert ada.post("/account/faucet").status_code == 202
    settle(chain)
    assert balances(ada.address).available == 5 * TOKEN
    assert int(chain.anvil.rpc("eth_getBalance", ada.address, "latest"), 16) == 10**17


def test_the_faucet_is_for_local_chains_and_has_a_daily_limit(chain: World, settings, monkeypatch):
    buyer = custodial("buyer")
    settings.FAUCET = False
    assert buyer.post("/account/faucet").status_code == 403
    settings.FAUCET = True
    for _ in range(20):
        assert buyer.post("/account/faucet").status_code == 202
    assert buyer.post("/account/faucet").status_code == 429


def test_a_wallet_withdraws_with_its_own_signature_only(chain: World):
    ada = wallet("ada", tokens=0)
    domain = market_domain(chain.known.chain_id, chain.known.market)
    wish = WithdrawalRequest(ada.address, 3 * TOKEN, 0, now() + 600)
    body = {"amount": "3", "nonce": 0, "deadline": wish.deadline}
    problem(ada.post("/account/withdrawals", {"amount": "3"}), 422, "missing", "/signature")
    eve = to_hex(Key("eve").sign(wish.digest(domain)))
    problem(ada.post("/account/withdrawals", body | {"signature": eve}), 422, "wrong_signer", "/signature")
    good = to_hex(ada.key.sign(wish.digest(domain)))
    problem(
        ada.post("/account/withdrawals", body | {"signature": good}), 422, "insufficient_funds", "/amount"
    )
    late = body | {"signature": good, "deadline": 5}
    problem(ada.post("/account/withdrawals", late), 422, "expired", "/deadline")


def test_a_platform_held_account_names_its_agent_on_chain(chain: World):
    seller = custodial("seller")
    agent = Key("machine")
    body = {"key": agent.address, "valid_until": now() + 86_400}
    assert seller.post("/account/agents", body).status_code == 202
    settle(chain)
    seen = seller.get("/account").json()
    assert seen["agents"] == [{"key": agent.address, "valid_until": body["valid_until"]}]
    assert seen["registry_nonce"] == 1
    assert seller.post("/account/agents", body | {"valid_until": 0}).status_code == 202
    settle(chain)
    assert seller.get("/account").json()["agents"][0]["valid_until"] == 1  # revoked


def test_a_delegate_on_chain_signs_orders_within_its_limits(chain: World, settings):
    settings.FAUCET = True
    ada, bot = wallet("ada"), Key("bot")
    ada.post("/account/faucet")
    settle(chain)
    wish = SetDelegate(ada.address, bot.address, 1, 100 * TOKEN, TOKEN, now() + 3_600, 0, now() + 600)
    domain = registry_domain(chain.known.chain_id, chain.known.registry)
    body = {
        "key": bot.address,
        "side": "buy",
        "spend_cap": "100",
        "worst_price": "1",
        "valid_until": wish.valid_until,
        "nonce": 0,
        "deadline": wish.deadline,
        "signature": to_hex(ada.key.sign(wish.digest(domain))),
    }
    assert ada.post("/account/delegates", body).status_code == 202
    order = bid_body(ada)
    before = signed(order, bot, maker=ada.address)
    problem(ada.post("/bids", before), 422, "wrong_signer", "/signature")
    settle(chain)
    assert ada.post("/bids", before).status_code == 201
    dear = signed(order | {"client_order_id": "b", "limit_price": "1.1"}, bot, maker=ada.address, nonce=8)
    problem(ada.post("/bids", dear), 422, "delegate_price", "/limit_price")


def test_an_order_that_its_maker_cancelled_on_chain_leaves_the_book(chain: World, settings):
    settings.FAUCET = True
    buyer = custodial("buyer")
    buyer.post("/account/faucet")
    settle(chain)
    order_id = buyer.post("/bids", bid_body(buyer)).json()["order_id"]
    assert book.apply_chain_cancels(now=now()) == 0
    order = Order.objects.get()
    from ledger import custodial as keys
    from suan.core.signing.structs import SIDE_BUY, Cancel

    wish = Cancel(buyer.address, SIDE_BUY, order.nonce)
    signature = keys.sign_digest(
        buyer.address, wish.digest(market_domain(chain.known.chain_id, chain.known.market))
    )
    chain.person("stranger")
    chain.send("stranger", chain.known.market, "cancelSigned", buyer.address, SIDE_BUY, wish.nonce, signature)
    settle(chain)
    assert book.apply_chain_cancels(now=now()) == 1
    assert buyer.get(f"/orders/{order_id}").json()["order_status"] == "canceled"
    assert balances(buyer.address).held == 0


def test_demo_logins_are_made_once_and_can_sign_in(chain: World, settings, capsys, client):
    settings.LOCAL_CHAIN = settings.FAUCET = True
    for _ in range(2):
        call_command("create_demo_logins")
    assert Participant.objects.count() == 3
    shown = capsys.readouterr().out
    assert shown.count("provider") == 2
    body = {"username": "buyer", "password": "try-the-market"}
    assert client.post("/api/v1/session", body, content_type="application/json").status_code == 200
    settle(chain)
    buyer = Participant.objects.get(user__username="buyer")
    assert balances(buyer.address).available == settings.FAUCET_TOKENS
    assert queries.outgoing("faucet:approve:" + chain.known.market).status == "final"
