"""The `suan` command as a person or a script meets it: exit codes, messages, JSON."""

import json
from pathlib import Path

import pytest
import wasmtime
from typer.testing import CliRunner, Result

from suan.cli import app
from suan.client import wire
from suan.commands import common
from tests.client.exchange import Answerer, Reply, Request, exchange
from tests.ports import free_port

COUNTING = """(module (memory (export "memory") 1) (func (export "_start") (local $i i32)
  (loop $again (local.set $i (i32.add (local.get $i) (i32.const 1)))
    (br_if $again (i32.lt_u (local.get $i) (i32.const 2000000))))))"""
TRAPPING = '(module (memory (export "memory") 1) (func (export "_start") unreachable))'
FORBIDDEN = '(module (import "env" "clock" (func)) (memory (export "memory") 1) (func (export "_start")))'
ORDER = {
    "order_id": "ord_0x" + "ab" * 32,
    "side": "buy",
    "product": "cpu.fp64:eu-north:recomputed",
    "limit_price": "1.2",
    "order_status": "partially_filled",
    "quantity": 3,
    "cum_quantity": 2,
    "leaves_quantity": 1,
    "valid_until": 1_000,
    "deliver_by": 2_000,
}
SETTLED = {"trade_id": "trd_0x1", "status": "settled", "runs": 2, "close": {"runs_delivered": 2}}


@pytest.fixture(autouse=True)
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUAN_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(wire, "PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(common.console, "width", 200)
    for name in ("SUAN_URL", "SUAN_API_KEY", "SUAN_KEY", "SUAN_PASSWORD"):
        monkeypatch.delenv(name, raising=False)


def suan(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(app, list(arguments), env=environment)


def module(folder: Path, text: str) -> Path:
    path = folder / "job.wasm"
    path.write_bytes(bytes(wasmtime.wat2wasm(text)))
    return path


def book(status: int = 200, document: object = None) -> Answerer:
    """An exchange with one order and its trades; `status` and `document` answer everything else."""

    def answer(request: Request) -> Reply:
        path = request.path.split("?")[0].removeprefix("/api/v1")
        known = {
            f"/orders/{ORDER['order_id']}": ORDER,
            f"/orders/{ORDER['order_id']}/trades": {"results": [SETTLED], "next": None},
            "/orders": {"results": [ORDER], "next": None},
        }
        return Reply(document=known[path]) if path in known else Reply(status, document)

    return answer


# ---------------------------------------------------------------- exit codes
def test_each_kind_of_failure_has_its_exit_code() -> None:
    assert suan("orders", "--url", f"http://127.0.0.1:{free_port()}").exit_code == 5
    assert suan("orders", "--url", "nowhere").exit_code == 2
    assert suan("orders", "--no-such-option").exit_code == 2
    with exchange(lambda _: Reply(401, {"title": "Not signed in", "detail": "send an API key"})) as server:
        result = suan("orders", "--url", server.url)
    assert result.exit_code == 3 and "send an API key" in result.output
    with exchange(lambda _: Reply(0)) as server:
        result = suan("account", "faucet", "--url", server.url)
    assert result.exit_code == 4 and "may have been carried out" in result.output


def test_a_withdrawal_is_never_sent_twice() -> None:
    with exchange(lambda _: Reply(502)) as server:
        result = suan("account", "withdraw", "1", "--url", server.url)
        assert result.exit_code == 4 and "look at your account" in " ".join(result.output.split())
        assert server.paths("POST") == ["/api/v1/account/withdrawals"]


def test_a_message_with_brackets_is_shown_as_it_is() -> None:
    with exchange(lambda _: Reply(422, {"detail": "a [bold]price[/bold] [/x]"})) as server:
        assert "[bold]price[/bold] [/x]" in suan("market", "--url", server.url).output


@pytest.mark.parametrize("arguments", (["--cap", "x"], ["--side", "both"]))
def test_amounts_and_words_that_are_none_are_usage_errors(arguments: list[str], tmp_path: Path) -> None:
    assert suan("keys", "new", "me").exit_code == 0
    base = {"--side": "buy", "--cap": "1", "--worst-price": "1"} | dict([arguments])
    flat = [part for pair in base.items() for part in pair]
    with exchange(lambda _: Reply(document={"registry_nonce": "0"})) as server:
        result = suan("account", "delegate", "0x" + "11" * 20, *flat, "--key", "me", "--url", server.url)
    assert result.exit_code == 2, result.output


# ---------------------------------------------------------------- keys
def test_a_key_is_made_shown_and_not_overwritten() -> None:
    made = suan("keys", "new", "me")
    assert made.exit_code == 0 and "Not encrypted" in made.output
    address = made.output.split()[0]
    assert suan("keys", "show", "me").output.strip() == address
    assert suan("keys", "new", "me").exit_code == 2
    assert suan("keys", "show", "nobody").exit_code == 2


def test_an_encrypted_key_needs_its_password() -> None:
    assert suan("keys", "new", "me", SUAN_PASSWORD="horse").exit_code == 0
    assert suan("keys", "show", "me", SUAN_PASSWORD="horse").exit_code == 0
    wrong, none = suan("keys", "show", "me", SUAN_PASSWORD="cow"), suan("keys", "show", "me")
    assert (wrong.exit_code, none.exit_code) == (2, 2)
    assert "does not open" in wrong.output and "SUAN_PASSWORD" in none.output


# ---------------------------------------------------------------- orders
def test_orders_are_a_table_for_people_and_json_for_programs() -> None:
    with exchange(book()) as server:
        shown = suan("orders", "--url", server.url)
        told = suan("orders", "--url", server.url, "--json")
    assert shown.exit_code == 0 and "partially_filled" in shown.output
    assert json.loads(told.stdout) == [ORDER]


def test_waiting_for_a_bid_that_was_filled_in_part_ends_with_its_valid_until_and_says_so() -> None:
    with exchange(book()) as server:
        result = suan(
            "order", "wait", str(ORDER["order_id"]), "--timeout", "5", "--url", server.url, COLUMNS="200"
        )
    assert result.exit_code == 0, result.output
    assert "1 of 3 never traded" in result.output


def test_waiting_goes_on_while_runs_that_came_back_may_trade_again() -> None:
    def answer(request: Request) -> Reply:
        short = SETTLED | {"close": {"runs_delivered": 1}}
        if request.path.split("?")[0].endswith("/trades"):
            return Reply(document={"results": [short], "next": None})
        return Reply(document=ORDER)

    with exchange(answer) as server:
        result = suan("order", "wait", str(ORDER["order_id"]), "--timeout", "0", "--url", server.url)
    assert result.exit_code == 4
    assert "it goes on by itself" in result.output


def test_outputs_are_saved_by_run_and_a_folder_is_needed(tmp_path: Path) -> None:
    data = b"result"
    sha256 = wire_hash(data)

    def answer(request: Request) -> Reply:
        path = request.path.split("?")[0].removeprefix("/api/v1")
        if path.startswith("/artifacts"):
            return Reply(body=data)
        if path.endswith("/outputs"):
            return Reply(document={"results": [{"run": 7, "exit_reason": 2, "output": sha256}]})
        return Reply(document={"results": [SETTLED], "next": None})

    with exchange(answer) as server:
        saved = suan("order", "outputs", "ord_0x1", "--to", str(tmp_path / "out"), "--url", server.url)
        file = tmp_path / "file"
        file.touch()
        refused = suan("order", "outputs", "ord_0x1", "--to", str(file), "--url", server.url)
    assert (saved.exit_code, refused.exit_code) == (0, 2)
    assert (tmp_path / "out" / "run-00007").read_bytes() == data
    assert "run 7 ended with trap" in saved.output


def wire_hash(data: bytes) -> str:
    from suan.core.encoding import sha256_hex

    return sha256_hex(data)


# ---------------------------------------------------------------- jobs
def test_measuring_a_job_shows_what_it_counts_and_what_it_would_cost(tmp_path: Path) -> None:
    path = module(tmp_path, COUNTING)
    told = suan("job", "measure", str(path), "--runs", "2", "--price", "1.5", "--json")
    assert told.exit_code == 0, told.output
    report = json.loads(told.stdout)
    assert report["accepted"] and [run["run"] for run in report["runs"]] == [0, 1]
    assert {run["exit_reason"] for run in report["runs"]} == {"ok"}
    assert int(report["runs"][0]["counters"]["integer"]) >= 4_000_000
    (cost,) = report["costs"]
    assert cost["price"] == "1.5" and 0 < float(cost["paid_per_run"]) <= float(cost["locked_per_run"])

    shown = suan("job", "measure", str(path), "--price", "1.5")
    assert shown.exit_code == 0
    assert f"suggested ceiling: {report['suggested_ceiling_units']}" in shown.output


def test_prices_come_from_the_exchange_and_its_absence_is_no_error(tmp_path: Path) -> None:
    products = [
        {"symbol": "cpu.fp64:eu-north:recomputed", "last_price": "0.9"},
        {"symbol": "cpu.fp32:eu-north:recomputed", "last_price": "0.1"},
        {"symbol": "cpu.fp64:us-east:recomputed", "last_price": None},
    ]
    path = str(module(tmp_path, COUNTING))
    with exchange(lambda _: Reply(document={"products": products})) as server:
        told = suan("job", "measure", path, "--json", "--url", server.url)
    assert [cost["product"] for cost in json.loads(told.stdout)["costs"]] == ["cpu.fp64:eu-north:recomputed"]
    alone = suan("job", "measure", path, "--url", f"http://127.0.0.1:{free_port()}")
    assert alone.exit_code == 0 and "No price known" in alone.output


def test_a_job_that_traps_is_measured_and_named_as_a_trap(tmp_path: Path) -> None:
    told = suan("job", "measure", str(module(tmp_path, TRAPPING)), "--price", "1", "--json")
    assert told.exit_code == 0
    assert json.loads(told.stdout)["runs"][0]["exit_reason"] == "trap"


def test_a_module_that_is_no_job_is_refused_with_its_reason(tmp_path: Path) -> None:
    path = str(module(tmp_path, FORBIDDEN))
    shown, told = suan("job", "measure", path), suan("job", "measure", path, "--json")
    assert (shown.exit_code, told.exit_code) == (3, 3)
    assert "env" in shown.output and "clock" in shown.output
    report = json.loads(told.stdout)
    assert not report["accepted"] and report["problems"] and not report["runs"]


def test_a_measurement_that_cannot_start_is_a_usage_error(tmp_path: Path) -> None:
    path = str(module(tmp_path, COUNTING))
    assert suan("job", "measure", str(tmp_path / "missing.wasm")).exit_code == 2
    assert suan("job", "measure", path, "--stdin", str(tmp_path / "missing")).exit_code == 2
    assert suan("job", "measure", path, "--runs", "0").exit_code == 2
    assert suan("job", "measure", path, "--price", "cheap").exit_code == 2
