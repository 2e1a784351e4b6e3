"""What the API gives to auditors: lists as of a block, exports, proofs; from real trades on a real node."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client

from suan.core.evidence import proofs
from tests.core.evidence.test_proofs import with_npm
from tests.receipts.programs import additions

if TYPE_CHECKING:
    from tests.settlement.exchange import Exchange

pytestmark = pytest.mark.chain
LISTS = ("blocks", "transactions", "events", "clearings", "batches", "trades", "parties", "receipts")


def get(path: str, status: int = 200, **headers: str) -> Any:
    answer = Client(headers=headers).get(f"/api/v1/audit/{path}")
    assert answer.status_code == status, (path, answer.status_code, answer.content[:500])
    return answer


def rows(path: str) -> list[dict[str, Any]]:
    return list(get(path).json()["results"])


def traded(exchange: Exchange, *, runs: int = 3) -> Any:
    """One trade that is delivered, verified, closed and final."""
    trade = exchange.trade(additions(1_000), runs=runs)
    for lease in exchange.lease():
        exchange.deliver(lease)
    exchange.verify()
    exchange.close(final=True)
    return trade


def test_each_list_says_what_the_chain_says_and_names_its_block(exchange: Exchange):
    trade = traded(exchange)
    world = exchange.world
    head = world.anvil.rpc("eth_getBlockByNumber", "latest", False)
    for name in LISTS:
        answer = get(name)
        body = answer.json()
        assert body["results"], name
        assert body["block_hash"] == answer["Suan-Block-Hash"] == head["hash"], name
        assert int(answer["Suan-Block-Number"]) == int(head["number"], 16), name
    (seen,) = rows("trades")
    assert seen["trade_id"] == trade.trade_id and seen["status"] == "settled" and seen["finality"] == "final"
    assert seen["payment"] == str(trade.payment) and int(seen["paid"]) <= int(seen["payment"])
    (batch,) = rows("batches")
    assert batch["batch_id"] == seen["batch_id"] and (batch["trades"], batch["open"]) == (1, 0)
    assert rows(f"trades?party={exchange.buyer.address}") == [seen]
    assert rows(f"trades?order={exchange.seen(trade)['bid_id']}&status=settled") == [seen]
    assert rows(f"trades?order=ord_0x{'0' * 64}") == []
    assert rows("trades?status=locked") == rows(f"trades?party={world.known.treasury}") == []
    assert rows("clearings")[0]["tx_hash"] == seen["tx_hash"]
    by_address = {row["address"]: row for row in rows("parties")}
    for address, party in by_address.items():
        found = tuple(int(party[name]) for name in ("available", "locked", "exiting"))
        assert found == world.chain_balances(address), address
    assert "buyer" in by_address[exchange.buyer.address]["roles"]
    assert len(rows("receipts")) == 3 and {row["verdict"] for row in rows("receipts")} == {"accepted"}
    party = get(f"parties/{exchange.provider.address}").json()
    assert party["trades_sold"] == 1 and party["keys"][0]["kind"] == "agent"
    opening = get(f"transactions/{seen['tx_hash']}").json()
    assert opening["function"] == "open" and opening["sender"] == world.known.operator
    assert [event["name"] for event in opening["events"]][-1] == "BatchLocked"
    deposit = rows("events?name=Deposited")[0]
    foreign = get(f"transactions/{deposit['tx_hash']}").json()
    assert foreign["function"] == "deposit" and foreign["sender"] == world.keys.address("patron")


def test_facts_are_those_of_the_block_that_was_named(exchange: Exchange):
    trade = exchange.trade(additions(1_000))
    locked = rows("trades")[0]
    there = f"block={locked['block_hash']}"
    before = get(f"parties?{there}")
    for lease in exchange.lease():
        exchange.deliver(lease)
    exchange.verify()
    exchange.close(final=True)
    (then,), (now,) = rows(f"trades?{there}"), rows("trades")
    assert (then["status"], then["finality"], then["paid"]) == ("locked", "included", None)
    assert (now["status"], now["finality"]) == ("settled", "final") and trade.trade_id == then["trade_id"]
    assert rows(f"batches?{there}")[0]["open"] == 1 and rows("batches")[0]["open"] == 0
    assert rows(f"receipts?{there}") == [] and len(rows("receipts")) == 1
    after = get(f"parties?{there}")
    assert after.content == before.content and after["ETag"] == before["ETag"]
    buyer = {row["address"]: row for row in after.json()["results"]}[exchange.buyer.address]
    assert buyer["locked"] == str(trade.payment) and rows(f"parties?{there}") != rows("parties")
    assert rows(f"trades?block={locked['block_number'] - 1}") == []


def test_a_list_goes_on_page_by_page_at_the_block_of_its_first_page(exchange: Exchange):
    every = get("events").json()
    first = get("events?limit=2").json()
    exchange.settle_chain()
    found, cursor = first["results"], first["next"]
    while cursor:
        page = get(f"events?limit=2&cursor={cursor}").json()
        assert page["block_hash"] == every["block_hash"]
        found, cursor = found + page["results"], page["next"]
    assert found == every["results"]
    newest = rows("events?sort=newest")
    assert [row["position"] for row in newest] == sorted((row["position"] for row in newest), reverse=True)


def test_an_unchanged_answer_is_not_sent_again(exchange: Exchange):
    for path in ("trades", "trades.csv", "events.jsonl", "parties"):
        answer = get(path)
        again = get(path, 304, if_none_match=answer["ETag"])
        assert not again.content and again["Suan-Block-Hash"] == answer["Suan-Block-Hash"]
        get(path, if_none_match='"something-else"')
    before = get("events")["ETag"]
    exchange.world.deposit("patron", 5)
    exchange.settle_chain()
    assert get("events", if_none_match=before)["ETag"] != before


def test_exports_hold_the_rows_of_the_pages(exchange: Exchange):
    traded(exchange)
    for name in LISTS:
        pages = rows(name)
        answer = get(f"{name}.jsonl")
        text = b"".join(answer.streaming_content).decode()
        assert [json.loads(line) for line in text.splitlines()] == pages, name
        answer = get(f"{name}.csv", accept="text/csv")
        assert answer["Content-Type"] == "text/csv; charset=utf-8"
        assert answer["Suan-Block-Hash"] in answer["Content-Disposition"]
        table = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode(), newline="")))
        assert len(table) == len(pages), name
        for line, row in zip(table, pages, strict=True):
            assert set(line) == set(row), name
            assert all(line[key] == "" for key, value in row.items() if value is None)
            assert all(line[key] == value for key, value in row.items() if isinstance(value, str))


def test_what_left_the_chain_is_shown_as_such_and_ends_the_lists_that_stood_on_it(exchange: Exchange):
    world = exchange.world
    world.deposit("patron", 5)
    exchange.settle_chain()
    page = get("events?limit=1").json()
    held = rows(f"events?mentions={world.keys.address('patron')}&sort=newest&limit=1")[0]
    world.anvil.reorg(4)
    world.anvil.mine(2)
    world.follow()
    gone = rows("blocks?canonical=false")
    assert gone and {row["finality"] for row in gone} == {"orphaned"}
    assert page["block_hash"] in {row["block_hash"] for row in gone}
    problem = get(f"events?cursor={page['next']}", 409).json()
    assert problem["code"] == "block_orphaned" and page["block_hash"] in problem["detail"]
    get(f"trades?block={page['block_hash']}", 409)
    assert held["position"] in {row["position"] for row in rows("events?canonical=false")}
    assert held["tx_hash"] not in {row["tx_hash"] for row in rows("transactions")}


def test_strange_parameters_are_refused_by_name(exchange: Exchange):
    other = get("events?limit=1").json()["next"]
    strange = [
        "cursor=x", "cursor=%00", "cursor=" + "A" * 5_000, "cursor=%F0%9F%92%A5", "limit=0", "limit=501", "limit=1e3",
        "limit=", "block=x", "block=-1", "block=99999999", "block=9" + "9" * 30, "block=0x12", "block=0x" + "0" * 64,
        "sort=up", "order=x", "nothing=1", "%00=1", "tx_hash=%ff", "within=1",
        "canonical=maybe", "status=open", "party=0x12", "trade=trd_0x1", "name=%27%20OR",
        "mentions=x", "mentions=" + "0x" + "f" * 39 + "g", "product=gold", "agent=" + "a" * 42, "verdict=missing",
        "root=0x", "batch=ord_0x" + "0" * 64,
    ]  # fmt: skip
    for listing in LISTS:
        for query in strange:
            answer = Client().get(f"/api/v1/audit/{listing}?{query}")
            assert answer.status_code in (400, 422), (listing, query, answer.status_code)
            problem = answer.json()
            assert problem["errors"] and problem["detail"], (listing, query)
            for form in ("csv", "jsonl"):
                answer = Client().get(f"/api/v1/audit/{listing}.{form}?{query}")
                assert answer.status_code in (400, 422), (listing, form, query)
        if listing != "events":
            get(f"{listing}?cursor={other}", 422)
    for path in ("transactions/x", "transactions/0x" + "0" * 64, "parties/x", "parties/0x" + "g" * 40):
        get(path, 422)
    get("receipts/rcp_0x" + "0" * 64 + "/proof", 404)
    get("receipts/x/proof", 404)


def test_the_proof_of_a_receipt_is_a_file_that_everybody_can_check(exchange: Exchange, tmp_path):
    trade = exchange.trade(additions(1_000), runs=3)
    for lease in exchange.lease():
        exchange.deliver(lease)
    exchange.verify()
    receipts = [run["receipt_id"] for run in exchange.seen(trade)["runs_detail"]]
    problem = get(f"receipts/{receipts[0]}/proof", 409).json()
    assert "closed" in problem["detail"]
    exchange.close()
    files = [get(f"receipts/{receipt}/proof").content for receipt in receipts]
    assert all(proofs.passed(proofs.check_proof(file)) for file in files)
    assert with_npm(files) == ["", "", ""]
    body = proofs.read_proof(files[0])
    assert body["receipt"] == receipts[0] and body["root"] == rows("receipts")[0]["receipts_root"]
    answer = get(f"receipts/{receipts[0]}/proof")
    assert "attachment" in answer["Content-Disposition"]
    get(f"receipts/{receipts[0]}/proof", 304, if_none_match=answer["ETag"])

    from suan.client.proof import check_file

    path = tmp_path / "proof.json"
    path.write_bytes(files[0])
    assert proofs.passed(check_file(path, exchange.world.anvil.url))
    place = files[0].index(b'"transaction":"0x') + 20
    other = b"0" if files[0][place : place + 1] != b"0" else b"1"
    path.write_bytes(files[0][:place] + other + files[0][place + 1 :])
    failed = [check.name for check in check_file(path, exchange.world.anvil.url) if not check.passed]
    assert failed == ["digest", "anchored transaction"]
