"""What people do in a live market, in their own words; each step waits until the market shows its effect."""

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from operations.demo.people import available, new_key, wait_until
from suan.client.api import CLOSED_TRADES, Suan
from suan.client.job import measure
from suan.client.keystore import LocalKey
from suan.client.session import Session
from suan.core.contract.abi import decode_result, encode_call
from suan.runtime.wasm.runner import WASM
from tests.journey.live import Live

NBODY = Path(__file__).parents[2] / "examples" / "build" / "nbody.wasm"
TRADING_SECONDS_MAX = 90.0


def open_custodial(live: Live, name: str) -> tuple[Suan, str]:
    """An account with a password; the platform keeps its key. Returns the client and its API key."""
    with Session(live.base_url) as session:
        opened = session.register(f"{name}-{secrets.token_hex(4)}", secrets.token_urlsafe(16), name)
        assert opened["custodial"]
        api_key = session.create_api_key("journey")
    return Suan(live.base_url, api_key=api_key), api_key


def sign_in_with_wallet(live: Live) -> tuple[Suan, str, LocalKey]:
    """An account of one's own key, signed in with Ethereum: the exchange never sees the secret."""
    key = new_key()
    with Session(live.base_url) as session:
        opened = session.sign_in(key)
        assert not opened["custodial"]
        api_key = session.create_api_key("journey")
    return Suan(live.base_url, api_key=api_key, key=key), api_key, key


def deposit_from_faucet(*accounts: Suan) -> None:
    """Test tokens, and the wait until their deposit is final."""
    for account in accounts:
        account.faucet()
    for account in accounts:
        wait_until("the faucet's deposit", lambda account=account: available(account) > 0)


def wait_for_node(provider: Suan, agent: LocalKey) -> int:
    """Until the agent has measured its machine and its key is on chain; the rate it measured, in MFLOPS."""

    def registered() -> bool:
        account = provider.account()
        nodes = [node for node in account["nodes"] if node["agent"] == agent.address]
        return bool(nodes) and any(known["key"] == agent.address for known in account["agents"])

    wait_until("the agent to measure and register", registered)
    (node,) = [node for node in provider.account()["nodes"] if node["agent"] == agent.address]
    return int(node["rate_mflops"])


def list_capacity(
    provider: Suan, product: str, agent: LocalKey, rate_mflops: int, *, units: int, price: str
) -> dict:
    """Offer so many work units of the node, promising half of what was measured."""
    return provider.offer(
        product,
        price=price,
        units_offered=units,
        agent=agent.address,
        rate_mflops=rate_mflops // 2,
        engine=WASM.version,
        deliver_seconds=1200,
    )


def measured_ceiling(stdin: bytes) -> int:
    """What a run of the n-body job may cost, measured on the buyer's own machine."""
    ceiling = measure(NBODY, stdin=stdin).suggested_ceiling_units
    assert ceiling is not None
    return int(ceiling)


def bid_for_nbody(
    buyer: Suan, product: str, stdin: bytes, *, runs: int, ceiling: int, price: str, **more
) -> dict:
    """Upload code and input, then bid for runs of it."""
    return buyer.bid(
        product,
        price=price,
        module=buyer.upload(NBODY.read_bytes()),
        input=buyer.upload(stdin),
        runs=runs,
        ceiling_units=ceiling,
        **more,
    )


def wait_for_trades(buyer: Suan, order_id: str, accepted: Callable[[list[dict]], bool] = bool) -> list[dict]:
    """Until all trades of an order are closed, final and as wished; newest last."""
    found: list[dict] = []

    def done() -> bool:
        found[:] = buyer.trades(order_id)
        closed = all(trade["status"] in CLOSED_TRADES and trade["finality"] == "final" for trade in found)
        return closed and accepted(found)

    wait_until(f"the trades of {order_id} to be closed and final", done, seconds=TRADING_SECONDS_MAX)
    return sorted(found, key=lambda trade: trade["first_run"])


def tokens_of(live: Live, address: str) -> int:
    """Base units of the token that an address holds itself, outside the market."""
    rpc = live.rpc()
    data = encode_call("balanceOf", address)
    value = decode_result("balanceOf", rpc.read(live.deployment["token"], data, rpc.block_number()))
    return int(value["value"])


def head_time(live: Live) -> int:
    """Unix seconds of the newest block."""
    rpc = live.rpc()
    return int(rpc.block(rpc.block_number())["timestamp"], 16)


def pages_about(trade: dict[str, Any]) -> list[str]:
    """Pages and calls of the API that tell of a closed trade, its orders, transactions, batch, receipts and parties."""
    trade_id, lock, close = trade["trade_id"], trade["lock"], trade["close"]
    receipt = trade["runs_detail"][0]["receipt_id"]
    lists = ("blocks", "transactions", "batches", "receipts", "parties")
    return [
        "/trades", f"/trades/{trade_id}", f"/verify?id={trade_id}", f"/verify?id={receipt}", "/audit", "/status",
        "/explorer", *(f"/explorer/{name}" for name in lists), *(f"/api/v1/audit/{name}.csv" for name in (*lists, "trades")),
        f"/explorer/blocks/{lock['block_number']}", f"/explorer/batches/{lock['batch_id']}",
        f"/explorer/transactions/{lock['tx_hash']}", f"/explorer/transactions/{close['tx_hash']}",
        f"/explorer/receipts/{receipt}", f"/explorer/orders/{trade['bid_id']}", f"/explorer/orders/{trade['offer_id']}",
        f"/api/v1/audit/receipts/{receipt}/proof", f"/api/v1/audit/trades/{trade_id}/checks",
    ]  # fmt: skip
