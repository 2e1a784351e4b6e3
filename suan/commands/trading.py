"""`suan bid`, `offer`, `orders`, `order`, `trades`, `market`: what a trader does."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from suan.client.api import DELIVER_SECONDS, MEMORY_BYTES, WALL_SECONDS, Suan, exit_word
from suan.client.errors import UsageError
from suan.commands.common import (
    URL_DEFAULT,
    ApiKey,
    AsJson,
    KeyName,
    Url,
    connect,
    console,
    errors,
    reported,
    show_fields,
    show_json,
    show_rows,
)
from suan.core import units
from suan.core.orders import product_by_symbol
from suan.runtime import runner_for

ORDER_COLUMNS = (
    "order_id",
    "side",
    "product",
    "limit_price",
    "order_status",
    "cum_quantity",
    "leaves_quantity",
)
WAIT_SECONDS_BEYOND = 600
"""After deliver by: the exchange's time to verify, close or refund."""
RUN_COLUMNS = ("run", "status", "exit_reason", "units", "verdict", "reason", "output")
TRADE_COLUMNS = ("trade_id", "product", "price", "first_run", "runs", "status", "finality")
OrderId = Annotated[str, typer.Argument(help="ord_0x… as the exchange answered it.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the `suan` application."""
    app.command("market")(market)
    app.command("bid")(bid)
    app.command("offer")(offer)
    app.command("orders")(orders)
    order = typer.Typer(no_args_is_help=True, help="One order: show, cancel, explain, wait, outputs.")
    order.command("show")(order_show)
    order.command("cancel")(order_cancel)
    order.command("explain")(order_explain)
    order.command("wait")(order_wait)
    order.command("outputs")(order_outputs)
    app.add_typer(order, name="order")
    app.command("trades")(trades)
    app.command("trade")(trade)


@reported
def market(url: Url = URL_DEFAULT, json: AsJson = False) -> None:
    """Products and prices, addresses and limits of the exchange."""
    found = Suan(url).market
    if json:
        show_json(found)
        return
    show_fields(found, ("chain_id", "market", "registry", "token", "fee_bps", "confirmations"), False)
    show_rows(found["products"], ("symbol", "last_price"), False, "no product is traded here")


@reported
def bid(
    product: Annotated[str, typer.Argument(help="class:region:verification, see `suan market`")],
    module: Annotated[Path, typer.Argument(help="WebAssembly job", exists=True, dir_okay=False)],
    price: Annotated[str, typer.Option(help="Most tokens per GFLOPS·h, for example 1.20")],
    ceiling: Annotated[int, typer.Option(help="Most work units per run; `suan job measure` suggests one")],
    stdin: Annotated[Path | None, typer.Option(help="Input of the job", exists=True, dir_okay=False)] = None,
    runs: Annotated[int, typer.Option(help="Number of runs; argv[1] is the run's index")] = 1,
    client_order_id: Annotated[
        str | None, typer.Option(help="Your own name of this order; a repeat returns the first answer")
    ] = None,
    deliver_seconds: Annotated[int, typer.Option(help="Deliver by: seconds from now")] = DELIVER_SECONDS,
    memory: Annotated[int, typer.Option(help="Memory of a run in bytes")] = MEMORY_BYTES,
    wall_seconds: Annotated[int, typer.Option(help="Wall-clock limit of a run")] = WALL_SECONDS,
    private: Annotated[bool, typer.Option(help="Publish hashes only, not code, input and output")] = False,
    wait: Annotated[bool, typer.Option(help="Wait until every run is settled")] = False,
    url: Url = URL_DEFAULT,
    api_key: ApiKey = None,
    key: KeyName = None,
    json: AsJson = False,
) -> None:
    """Buy runs of a job at no more than a price."""
    exchange = connect(url, api_key, key)
    placed = exchange.bid(
        product,
        price=price,
        module=exchange.upload(module.read_bytes()),
        input=exchange.upload(stdin.read_bytes() if stdin else b""),
        runs=runs,
        ceiling_units=ceiling,
        client_order_id=client_order_id,
        valid_seconds=deliver_seconds,
        deliver_seconds=deliver_seconds,
        memory_bytes=memory,
        wall_seconds=wall_seconds,
        disclosure="private" if private else "public",
    )
    if wait:
        errors.print(f"{placed['order_id']} accepted, waiting for settlement…", highlight=False)
        placed = exchange.wait(placed["order_id"], timeout_seconds=deliver_seconds + WAIT_SECONDS_BEYOND)
    _show_settled(placed, json) if wait else show_fields(placed, (*ORDER_COLUMNS, "reject_reason"), json)


def _show_settled(order: dict[str, Any], json: bool) -> None:
    """An order to which nothing more will happen; a bid that was filled in part only says so."""
    show_fields(order, (*ORDER_COLUMNS, "reject_reason"), json)
    if order["order_status"] == "partially_filled" and not json:
        console.print(
            f"{order['leaves_quantity']} of {order['quantity']} never traded; its valid_until has passed.",
            highlight=False,
        )


@reported
def offer(
    product: Annotated[str, typer.Argument(help="class:region:verification, see `suan market`")],
    price: Annotated[str, typer.Option(help="Least tokens per GFLOPS·h")],
    gflops_hours: Annotated[str, typer.Option(help="Work offered, for example 0.5")],
    agent: Annotated[str, typer.Option(help="Address of the agent key of the node that will work")],
    rate: Annotated[int, typer.Option(help="Rate promised in MFLOPS, at most what the node measured")],
    engine: Annotated[
        str | None, typer.Option(help="Engine version of the agent; default: the one installed here")
    ] = None,
    client_order_id: Annotated[str | None, typer.Option(help="Your own name of this order")] = None,
    valid_seconds: Annotated[int, typer.Option(help="Stay in the book so long")] = 3600,
    url: Url = URL_DEFAULT,
    api_key: ApiKey = None,
    key: KeyName = None,
    json: AsJson = False,
) -> None:
    """Sell the capacity of a node at no less than a price."""
    placed = connect(url, api_key, key).offer(
        product,
        price=price,
        units_offered=units.parse_gflops_hours(gflops_hours),
        agent=agent,
        rate_mflops=rate,
        engine=engine or runner_for(product_by_symbol(product).resource_class).version,
        client_order_id=client_order_id,
        valid_seconds=valid_seconds,
        deliver_seconds=valid_seconds,
    )
    show_fields(placed, (*ORDER_COLUMNS, "reject_reason"), json)


@reported
def orders(
    status: Annotated[str | None, typer.Option(help="Only this order status")] = None,
    url: Url = URL_DEFAULT,
    api_key: ApiKey = None,
    json: AsJson = False,
) -> None:
    """Your orders, newest first."""
    filters: dict[str, Any] = {"order_status": status} if status else {}
    rows = list(connect(url, api_key).orders(**filters))
    show_rows(rows, ORDER_COLUMNS, json, "No orders yet. Place one with `suan bid` or `suan offer`.")


@reported
def order_show(
    order_id: OrderId, url: Url = URL_DEFAULT, api_key: ApiKey = None, json: AsJson = False
) -> None:
    """One order as it stands."""
    fields = (*ORDER_COLUMNS, "client_order_id", "valid_until", "deliver_by", "reject_reason")
    show_fields(connect(url, api_key).order(order_id), fields, json)


@reported
def order_cancel(
    order_id: OrderId,
    on_chain: Annotated[bool, typer.Option(help="Have the contract refuse it too, at once")] = False,
    url: Url = URL_DEFAULT,
    api_key: ApiKey = None,
    key: KeyName = None,
    json: AsJson = False,
) -> None:
    """Cancel what is left of an order."""
    show_fields(connect(url, api_key, key).cancel(order_id, on_chain=on_chain), ORDER_COLUMNS, json)


@reported
def order_explain(
    order_id: OrderId, url: Url = URL_DEFAULT, api_key: ApiKey = None, json: AsJson = False
) -> None:
    """Why an order did not trade, with the numbers."""
    found = connect(url, api_key).explain(order_id)
    show_fields(found, tuple(name for name in found if not isinstance(found[name], dict | list)), json)


@reported
def order_wait(
    order_id: OrderId,
    timeout: Annotated[float, typer.Option(help="Give up after so many seconds")] = 600.0,
    url: Url = URL_DEFAULT,
    api_key: ApiKey = None,
    json: AsJson = False,
) -> None:
    """Wait until an order is terminal and its trades are closed."""
    _show_settled(connect(url, api_key).wait(order_id, timeout_seconds=timeout), json)


@reported
def order_outputs(
    order_id: OrderId,
    to: Annotated[Path, typer.Option(help="Folder for one file per run")],
    url: Url = URL_DEFAULT,
    api_key: ApiKey = None,
) -> None:
    """Save the outputs of all delivered runs of a bid."""
    if to.exists() and not to.is_dir():
        raise UsageError(f"{to} is a file; name a folder")
    to.mkdir(parents=True, exist_ok=True)
    saved = 0
    for output in connect(url, api_key).each_output(order_id):
        (to / f"run-{output.run:05d}").write_bytes(output.data)
        saved += 1
        if output.exit_reason != "ok":
            console.print(f"run {output.run} ended with {output.exit_reason}", highlight=False)
    console.print(f"{saved} outputs in {to}")


@reported
def trades(
    order_id: Annotated[str | None, typer.Argument(help="Only the trades of this order")] = None,
    url: Url = URL_DEFAULT,
    api_key: ApiKey = None,
    json: AsJson = False,
) -> None:
    """Trades with their way from lock to payout."""
    exchange = connect(url, api_key)
    rows = exchange.trades(order_id) if order_id else list(exchange.pages("/trades"))
    show_rows(rows, TRADE_COLUMNS, json, "No trades yet; `suan order explain` says why an order waits.")


@reported
def trade(
    trade_id: Annotated[str, typer.Argument(help="trd_0x… as `suan trades` shows it.")],
    url: Url = URL_DEFAULT,
    api_key: ApiKey = None,
    json: AsJson = False,
) -> None:
    """One trade: its way from lock to payout, and each of its runs."""
    found = connect(url, api_key).get(f"/trades/{trade_id}")
    if json:
        show_json(found)
        return
    lock, close = found.get("lock") or {}, found.get("close") or {}
    paid = {"locked": lock.get("payment"), "closed": close.get("kind"), "paid": close.get("paid")}
    show_fields(found | paid, (*TRADE_COLUMNS, *paid), False)
    runs = [run | {"exit_reason": exit_word(run["exit_reason"])} for run in found["runs_detail"]]
    show_rows(runs, RUN_COLUMNS, False, "its runs are not open yet")
