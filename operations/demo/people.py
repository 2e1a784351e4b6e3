"""The people of a demonstration: buyers and providers with accounts, money and agents, as a stranger sets them up.

Everything here goes through the public interface: sign-in, faucet, delegate keys, nodes, offers. Nobody is given
anything that a visitor of a local market cannot have.
"""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from operations.run.market import Market
from suan.client import keystore
from suan.client.api import Suan
from suan.client.errors import SuanError
from suan.client.keystore import LocalKey
from suan.client.session import Session
from suan.core import signing, units
from suan.core.orders import product_by_symbol
from suan.runtime import runner_for

WAIT_SECONDS_MAX = 180.0
POLL_SECONDS = 0.3
DELEGATE_CAP = "500"
DELEGATE_WORST_PRICE = "10"

Json = dict[str, Any]


class DidNotHappen(RuntimeError):
    """Something that the demonstration waits for did not happen in time."""


def wait_until(
    what: str, condition: Callable[[], bool], *, seconds: float = WAIT_SECONDS_MAX, poll: float = POLL_SECONDS
) -> None:
    """Ask for a condition every `poll` seconds, bounded; DidNotHappen names what was waited for and the last fault."""
    until, fault = time.monotonic() + seconds, ""
    while time.monotonic() < until:
        try:
            if condition():
                return
        except SuanError as error:
            fault = f" ({error})"
        time.sleep(poll)
    raise DidNotHappen(f"{what}: not within {seconds:.0f} s{fault}")


@dataclass
class Buyer:
    """Somebody who bids. `hand` is the client that signs the way this buyer signs; `maker` the account that pays."""

    name: str
    hand: Suan
    maker: str
    how: str


@dataclass
class Provider:
    """Somebody who sells: an account, an agent's folder, and the price per GFLOPS·h asked for."""

    name: str
    account: Suan
    api_key: str
    folder: Path
    price: str
    product: str

    @property
    def agent(self) -> str:
        """Address of the agent key, which the agent makes at its first start."""
        return keystore.load(self.folder / "agent-key.json").address


def open_custodial(market: Market, name: str) -> tuple[Suan, str]:
    """A password account; the platform keeps its key."""
    with Session(market.base_url) as session:
        session.register(f"{name.lower()}-{secrets.token_hex(4)}", secrets.token_urlsafe(16), name)
        key = session.create_api_key("demo")
    return Suan(market.base_url, api_key=key), key


def open_with_wallet(market: Market, key: LocalKey) -> tuple[Suan, str]:
    """An account of one's own key: signed in with Ethereum, orders signed here."""
    with Session(market.base_url) as session:
        session.sign_in(key)
        api_key = session.create_api_key("demo")
    return Suan(market.base_url, api_key=api_key, key=key), api_key


def new_key() -> LocalKey:
    return LocalKey(secrets.token_bytes(32))


def available(account: Suan) -> int:
    """Base units that the account may use for orders now."""
    return units.parse_tokens(account.account()["balances"]["available"])


def buyers(market: Market) -> list[Buyer]:
    """Three buyers, each with another way to sign: the platform, a wallet, a delegate key."""
    wallet, owner, delegate = new_key(), new_key(), new_key()
    doors: list[Callable[[], tuple[Suan, str]]] = [
        lambda: open_custodial(market, "Ada"),
        lambda: open_with_wallet(market, wallet),
        lambda: open_with_wallet(market, owner),
    ]
    with ThreadPoolExecutor(len(doors)) as pool:
        (ada, _), (bea, _), (chen, chen_key) = pool.map(_funded, doors)
    grant_delegate(chen, owner, delegate.address)
    hand = Suan(market.base_url, api_key=chen_key, key=delegate)
    return [
        Buyer("Ada", ada, ada.account()["address"], "password account, custodial key"),
        Buyer("Bea", bea, wallet.address, "her own wallet key"),
        Buyer("Chen", hand, owner.address, "a delegate key with a cap, cannot withdraw"),
    ]


def _funded(door: Callable[[], tuple[Suan, str]]) -> tuple[Suan, str]:
    account, api_key = door()
    account.faucet()
    return account, api_key


def grant_delegate(account: Suan, owner: LocalKey, delegate: str) -> None:
    """Let a delegate key buy for the account, within a cap and a worst price, for a day."""
    now = int(time.time())
    wish = signing.SetDelegate(
        owner=owner.address,
        key=delegate,
        side=signing.SIDE_BUY,
        spend_cap=units.parse_tokens(DELEGATE_CAP),
        worst_price=units.parse_tokens(DELEGATE_WORST_PRICE),
        valid_until=now + 86_400,
        nonce=int(account.account()["registry_nonce"]),
        deadline=now + 600,
    )
    body: Json = {
        "key": delegate,
        "side": "buy",
        "spend_cap": DELEGATE_CAP,
        "worst_price": DELEGATE_WORST_PRICE,
        "valid_until": wish.valid_until,
        "nonce": wish.nonce,
        "deadline": wish.deadline,
        "signature": "0x" + owner.sign_digest(wish.digest(account.registry_domain)).hex(),
    }
    account.post("/account/delegates", body)


def wait_for_money(people: Sequence[Suan]) -> None:
    """Until the faucet's deposits are final for everybody."""
    for account in people:

        def funded(account: Suan = account) -> bool:
            return available(account) > 0

        wait_until("the faucet's deposit to become final", funded)


def wait_for_delegate(buyer: Buyer) -> None:
    """Until the chain knows the delegate key."""
    wait_until("the delegate key on chain", lambda: bool(buyer.hand.account()["delegates"]))


def providers(market: Market, wanted: Sequence[tuple[str, str, str]]) -> list[Provider]:
    """Provider accounts by (name, price, product), each with test tokens for its bond."""

    def one(entry: tuple[str, str, str]) -> Provider:
        name, price, product = entry
        account, api_key = open_custodial(market, name)
        account.faucet()
        folder = market.var / "agents" / name.lower()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return Provider(name, account, api_key, folder, price, product)

    with ThreadPoolExecutor(len(wanted)) as pool:
        return list(pool.map(one, wanted))


def start_agents(market: Market, people: Sequence[Provider], *, dishonest: str) -> None:
    """One agent process for each provider; the dishonest one runs another program with the same keys and calls."""
    for provider in people:
        program = (
            ["operations.demo.dishonest"] if provider.name == dishonest else ["suan.cli", "provider", "run"]
        )
        region, resource_class = provider.product.split(":")[1], provider.product.split(":")[0]
        command = [sys.executable, "-m", *program, "--folder", str(provider.folder), "--region", region]
        command += ["--class", resource_class]
        market.add(f"agent-{provider.name.lower()}", command, {"SUAN_API_KEY": provider.api_key})


def wait_for_nodes(people: Sequence[Provider]) -> None:
    """Until every agent measured its machine, registered it, and its key is on chain."""
    for provider in people:

        def ready(provider: Provider = provider) -> bool:
            account = provider.account.account()
            return bool(account["nodes"]) and bool(account["agents"])

        wait_until(f"the agent of {provider.name} to measure and register", ready)


def list_capacity(
    provider: Provider,
    *,
    units_offered: int,
    share_percent: int = 60,
    valid_seconds: int = 900,
    deliver_seconds: int = 1200,
) -> Json:
    """Offer work units at the provider's price, promising a part of what was measured."""
    node = provider.account.account()["nodes"][0]
    return provider.account.offer(
        provider.product,
        price=provider.price,
        units_offered=units_offered,
        agent=node["agent"],
        rate_mflops=node["rate_mflops"] * share_percent // 100,
        engine=runner_for(product_by_symbol(provider.product).resource_class).version,
        client_order_id=f"offer-{provider.name.lower()}-{secrets.token_hex(4)}",
        valid_seconds=valid_seconds,
        deliver_seconds=deliver_seconds,
    )
