"""The same walk through the model and through the real contract on Anvil: equal answers, equal books."""

import pytest

from ledger.chain.signer import Signer
from ledger.deployment.deploy import PROFILES, Parameters, deploy
from operations.run import layout
from suan.core.contract import Shown, abi
from suan.core.contract.proving import prove_records
from suan.core.contract.records import KeySet, pack_outcomes, receipts_tree
from suan.core.settlement.bookkeeping import CUSTODY_REF, MONEY_EVENTS, PARTY_KINDS, Books
from suan.core.signing.domains import market_domain
from suan.core.signing.structs import (
    SIDE_BUY,
    SIDE_SELL,
    Acceptance,
    GivingUp,
    ReceiptAcknowledgement,
    Ruling,
    Verdict,
)
from tests.core.signing.keys import Key
from tests.oracle.market.model import Opened
from tests.oracle.market.money import MarketParameters
from tests.oracle.market.walk import POOL, RERUN, TREASURY, Walk

PARAMETERS = MarketParameters(
    fee_bps=150, bond_bps=2_500, bond_floor_price=10**16, verification_grace=60,
    withdrawal_delay=90, match_window=20, dispute_window=40, dispute_bond=10**17,
)  # fmt: skip
STEPS = 120
PAYOUT_CAP = 15 * 10**18
GAS = hex(25_000_000)


class ContractSide:
    """The market on a node; any account may send, since the node signs for whom it is told to. `books` fold its events."""

    treasury, pool, rerun_account = TREASURY, POOL, RERUN

    def __init__(self, node, folder) -> None:
        self.node = node
        self.funded = set()
        self.books = Books(self)
        node.rpc("anvil_autoImpersonateAccount", True)
        self.verifiers = sorted((Key("verifier 1"), Key("verifier 2")), key=lambda key: key.address)
        self.arbiters = sorted((Key("arbiter 1"), Key("arbiter 2")), key=lambda key: key.address)
        self.keys = {}
        self.signer = signer = Signer(folder / "secrets")
        self.fund(signer.address("deployer"))
        self.made = deploy(
            node.url, deployment_file=folder / "deployment.json", var=layout.default_var(), deployer=signer.address("deployer"),
            sign_transaction=lambda fields: signer.sign_transaction("deployer", fields).raw,
            sign_as_operator=lambda digest: signer.sign_digest("operator", digest), mine=True,
            parameters=Parameters(
                profile="demo", confirmations=PROFILES["demo"]["confirmations"], admin=signer.address("admin"),
                operator=signer.address("operator"), relayer=signer.address("relayer"),
                acknowledger=signer.address("acknowledger"), treasury=TREASURY, pool=POOL, rerun_account=RERUN,
                members=tuple(key.address for key in self.verifiers), threshold=2, payout_cap=PAYOUT_CAP,
                arbiters=tuple(key.address for key in self.arbiters), arbiter_threshold=2,
                **{name: getattr(PARAMETERS, name) for name in PARAMETERS.__dataclass_fields__},
            ),
        )  # fmt: skip
        self.market, self.operator = self.made["market"], signer.address("operator")
        self.domain = market_domain(self.made["chain_id"], self.market)
        self.verifier_set, self.arbiter_set = (
            KeySet(tuple(made["members"]), made["threshold"], int(made["payout_cap"]))
            for made in (self.made["verifier_set"], self.made["arbiter_set"])
        )
        self.funder = Key("funder").address
        for _ in range(5):
            self.must(self.made["token"], self.funder, abi.encode_call("faucet", self.funder, 10**24))
        self.must(self.made["token"], self.funder, abi.encode_call("approve", self.market, 2**255))

    def clock(self) -> int:
        return int(self.node.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    def fund(self, account):
        self.funded.add(account)
        self.node.rpc("anvil_setBalance", account, hex(10**24))

    def send(self, to, sender, data, now=None):
        """(succeeded, decoded logs of the market) of one transaction in a block of its own."""
        if sender not in self.funded:
            self.fund(sender)
        if now is not None:
            self.node.rpc("evm_setNextBlockTimestamp", now)
        call = {"from": sender, "to": to, "data": "0x" + data.hex(), "gas": GAS}
        transaction = self.node.rpc("eth_sendTransaction", call)
        self.node.rpc("evm_mine")
        receipt = self.node.rpc("eth_getTransactionReceipt", transaction)
        logs = [abi.decode_event(log["topics"], log["data"]) for log in receipt["logs"]]
        for name, values in logs:
            if name in MONEY_EVENTS:
                self.books.apply(name, values.get("trade", values.get("session", "")), values)
        return receipt["status"] == "0x1", logs

    def must(self, to, sender, data):
        succeeded, _ = self.send(to, sender, data)
        assert succeeded

    def read(self, name, *arguments):
        call = {"to": self.market, "data": "0x" + abi.encode_call(name, *arguments).hex()}
        return abi.decode_result(name, self.node.rpc("eth_call", call, "latest"))

    def apply(self, step, batches):
        sender, data = getattr(self, f"_{step.name}")(batches=batches, **step.arguments)
        return self.send(self.market, sender, data, step.now)

    def _deposit(self, *, account, amount, batches):
        return self.funder, abi.encode_call("deposit", account, amount)

    def _request_withdrawal(self, *, account, amount, batches):
        return account, abi.encode_call("requestWithdrawal", amount)

    def _withdraw(self, *, account, batches):
        return self.funder, abi.encode_call("withdraw", account)

    def _open_session(self, *, session, batches):
        return session.buyer, abi.encode_call("openSession", session)

    def _cancel(self, *, maker, side, nonce, batches):
        return maker, abi.encode_call("cancel", side, nonce)

    def _open(self, *, batches, **arguments):
        return self.operator, abi.encode_open(**arguments)

    def _decide(self, *, head, outcomes, receipts_root, batches):
        verdict = Verdict(head.id(), pack_outcomes(outcomes), receipts_root)
        return self.funder, abi.encode_decide(
            head=head, verifiers=self.verifier_set, outcomes=outcomes, receipts_root=receipts_root,
            signatures=[key.sign(verdict.digest(self.domain)) for key in self.verifiers],
        )  # fmt: skip

    def _settle(self, *, head, records, outcomes, receipts_root, batches):
        return self.funder, abi.encode_settle(
            head=head, outcomes=outcomes, receipts_root=receipts_root,
            proven=self._proven(head, records, batches),
        )  # fmt: skip

    def _accept(self, *, head, buyer, provider, agent, records, outcomes, batches):
        digest = Acceptance(head.id(), pack_outcomes(outcomes)).digest(self.domain)
        return self.funder, abi.encode_accept(
            head=head, buyer=buyer, buyer_signature=self.keys[buyer].sign(digest), provider=provider,
            provider_signature=self.keys[agent].sign(digest), outcomes=outcomes,
            proven=self._proven(head, records, batches),
        )  # fmt: skip

    def _give_up(self, *, head, provider, signer, records, batches):
        giving_up = GivingUp(head.id(), sum(1 << record.index for record in records))
        return self.funder, abi.encode_give_up(
            head=head, provider=provider, proven=self._proven(head, records, batches),
            signature=self.keys[signer].sign(giving_up.digest(self.domain)),
        )  # fmt: skip

    def _dispute(self, *, head, record, outcomes, receipts_root, challenger, claim, run, batches):
        return challenger, abi.encode_dispute(
            head=head, outcomes=outcomes, receipts_root=receipts_root,
            proven=self._proven(head, [record], batches), claim=claim, run=run,
        )  # fmt: skip

    def _reveal(self, *, head, record, run, showing, batches):
        words, signature, acknowledgement, proof = b"", b"", b"", ()
        if showing.receipt is not None:
            digest = showing.receipt.digest(self.domain)
            words, signature = showing.receipt.encode_data(), self.keys[showing.agent].sign(digest)
        if showing.acknowledged:
            said = ReceiptAcknowledgement(digest if words else bytes(32)).digest(self.domain)
            acknowledgement = self.signer.sign_digest("acknowledger", said)
        else:
            leaves = showing.published.leaves
            place = next((i for i, leaf in enumerate(leaves) if leaf[1:3] == (record.trade, showing.run)), 0)
            proof = receipts_tree(leaves).proof(place)
        shown = Shown(
            showing.published.root, showing.run, showing.verdict, showing.units, words, signature, tuple(proof),
            acknowledgement,
        )  # fmt: skip
        return showing.revealer, abi.encode_reveal(batch=head.id(), record=record, run=run, shown=shown)

    def _reclaim(self, *, head, record, run, batches):
        proven = self._proven(head, [record], batches)
        return self.funder, abi.encode_reclaim(head=head, proven=proven, run=run)

    def _rule(self, *, head, record, outcome, batches):
        ruling = Ruling(head.id(), record.trade, outcome.kind, outcome.runs_delivered, outcome.units)
        return self.funder, abi.encode_rule(
            head=head, arbiters=self.arbiter_set, proven=self._proven(head, [record], batches), outcome=outcome,
            signatures=[key.sign(ruling.digest(self.domain)) for key in self.arbiters],
        )  # fmt: skip

    def _time_out(self, *, head, record, batches):
        return self.funder, abi.encode_time_out(head=head, proven=self._proven(head, [record], batches))

    def _refund(self, *, head, records, batches):
        return self.funder, abi.encode_refund(head=head, proven=self._proven(head, records, batches))

    @staticmethod
    def _proven(head, records, batches):
        return prove_records(batches[head.id()], [record.index for record in records])


@pytest.mark.chain
@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 4])
def test_the_contract_answers_and_books_as_the_model_does_at_every_step(anvil, tmp_path, seed):
    chain = ContractSide(anvil, tmp_path)
    world = Walk(
        seed=seed,
        now=chain.clock() + 100,
        domain=chain.domain,
        parameters=PARAMETERS,
        verifiers=chain.verifier_set,
    )
    chain.keys = {key.address: key for key in (*world.people, world.helper, world.stranger)}
    for (owner, key, side), setting in world.delegates.items():
        data = abi.encode_call(
            "setDelegate", key, side, setting.spend_cap, setting.worst_price, setting.valid_until
        )
        chain.must(chain.made["registry"], owner, data)
    for (owner, key), valid_until in world.agents.items():
        chain.must(chain.made["registry"], owner, abi.encode_call("setAgent", key, valid_until))
    for number in range(STEPS):
        step = world.next_step()
        batches = {batch.head.id(): batch.records for batch in world.batches}
        answer = world.apply(step)
        succeeded, logs = chain.apply(step, batches)
        assert succeeded == (not isinstance(answer, Exception)), (number, step, answer)
        if isinstance(answer, Opened):
            compare_opening(answer, logs)
        if number % 30 == 29:
            compare_books(world, chain)
    compare_books(world, chain)
    assert len(world.batches) > 10


def compare_opening(opened, logs):
    locked = [abi.struct_of("Record", values) for name, values in logs if name == "TradeLocked"]
    assert locked == list(opened.records)
    refused = [(values["position"], values["code"]) for name, values in logs if name == "FillRejected"]
    assert refused == [(rejection.position, rejection.code) for rejection in opened.rejections]
    heads = [values for name, values in logs if name == "BatchLocked"]
    assert [values["batch_id"] for values in heads] == (
        ["0x" + opened.head.id().hex()] if opened.head else []
    )


def compare_books(world, chain):
    model = world.model
    for owner, account in model.accounts.items():
        found = chain.read("accountOf", owner) | chain.read("exitOf", owner)
        assert found == {
            "available": account.available, "locked": account.locked,
            "amount": account.exiting, "ready_at": account.ready_at,
        }, owner  # fmt: skip
        fresh = {"amount": account.fresh_at(chain.clock()), "until": account.fresh_until}
        assert chain.read("freshOf", owner) == fresh, owner
        newest = {"offer": account.newest[SIDE_SELL], "bid": account.newest[SIDE_BUY]}
        assert chain.read("newestNonces", owner) == newest, owner
        folded = {kind: chain.books.balance(owner, kind) for kind in PARTY_KINDS}
        assert folded == {
            "available": account.available,
            "locked": account.locked,
            "exiting": account.exiting,
        }
    for (maker, side, place), state in model.orders.items():
        found = chain.read("orderState", maker, side, 256 * state.generation + place)
        expected = {"consumed": state.consumed, "reached": state.reached, "ended": False}
        assert found == ({"consumed": 0, "reached": 0, "ended": True} if state.ended else expected)
    for batch, bits in model.open_bits.items():
        assert chain.read("openBits", batch) == {"bits": bits}
    for (batch, index), noted in model.refundable_from.items():
        assert chain.read("refundableFrom", batch, index) == {"refundable_from": noted}
    for verdict, (waiting, after) in model.decided.items():
        assert chain.read("decided", verdict) == {"decided": (after << 200) | waiting}
    for verifier_set, exposure in model.exposure.items():
        assert chain.read("exposureOf", verifier_set) == {"exposure": exposure}
    assert chain.read("custody") == {"custody": model.custody}
    assert chain.books.balances[CUSTODY_REF] == -model.custody
    assert chain.read("batches") == {"batches": model.batches}
