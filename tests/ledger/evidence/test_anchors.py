"""Published evidence is anchored on chain: each file once, in chains of roots that anybody folds again."""

from __future__ import annotations

import hashlib
import json

import pytest
from django.utils import timezone

from ledger import evidence, reconciliation
from ledger.evidence import anchors
from ledger.models import Anchor, EvidenceFile, OutgoingTx
from ledger.outbox.sender import Limits, Sender
from suan.core.contract.abi import decode_result, encode_call
from suan.core.encoding import from_hex
from suan.core.evidence.anchors import EMPTY_HEAD, files_root, kind_word, next_head
from tests.ledger.chain import World

pytestmark = pytest.mark.chain


def publish(*numbers: int, kind: str = "terms") -> None:
    for number in numbers:
        evidence.publish(kind, f"0x{number:064x}", json.dumps({"number": number}).encode())


def send(world: World) -> None:
    limits = Limits(chain_id=world.known.chain_id, stuck_blocks=6, confirmations=12, gas_max=10_000_000)
    sender = Sender(world.indexer.gateway, world.keys, "relayer", limits)
    sender.step(now=timezone.now())
    world.finalise()
    sender.step(now=timezone.now())


def on_chain(world: World, name: str, kind: str) -> object:
    data = encode_call(name, world.known.relayer, kind_word(kind))
    found = decode_result(name, world.indexer.gateway.call(to=world.known.evidence_log, data=data))
    (value,) = found.values()
    return value


def findings(world: World) -> set[tuple[str, str, str]]:
    report = reconciliation.compare(gateway=world.indexer.gateway, deep=True)
    return {(finding.table, finding.row, finding.column) for _, finding in report.findings}


def test_each_file_is_anchored_once_and_the_head_on_chain_is_the_fold_of_the_published_lists(world: World):
    publish(1, 2)
    publish(3, kind="settlements")
    assert anchors.anchor_all() == 2
    publish(4)
    assert anchors.anchor_all() == 1
    assert anchors.anchor_all() == 0
    send(world)
    head = EMPTY_HEAD
    for row in Anchor.objects.filter(kind="terms").order_by("number"):
        listed = json.loads(evidence.read("anchors", row.root) or b"")
        files = [(entry["name"], from_hex(entry["sha256"])) for entry in listed["files"]]
        for name, sha256 in files:
            assert hashlib.sha256(evidence.read("terms", name) or b"").digest() == sha256
        head = next_head(
            head, publisher=world.known.relayer, kind=kind_word(listed["kind"]), number=row.number,
            root=files_root(files), count=len(files),
        )  # fmt: skip
    assert on_chain(world, "headOf", "terms") == "0x" + head.hex()
    assert on_chain(world, "lengthOf", "terms") == 2
    assert on_chain(world, "lengthOf", "settlements") == 1
    assert on_chain(world, "lengthOf", "seals") == 0
    assert findings(world) == set()


def test_a_long_backlog_is_anchored_in_pieces(world: World):
    publish(*range(1, 8))
    first = anchors.anchor("terms", limit=5)
    second = anchors.anchor("terms", limit=5)
    assert first is not None and second is not None
    assert (first.number, first.count, second.number, second.count) == (0, 5, 1, 2)
    assert anchors.anchor("terms", limit=5) is None


def test_what_was_planned_and_not_sent_yet_is_no_difference(world: World):
    publish(1)
    anchors.anchor_all()
    world.finalise()
    assert OutgoingTx.objects.get(key="anchor:terms:0").status == "planned"
    assert findings(world) == set()


def test_a_file_moved_out_of_its_anchor_and_a_changed_root_are_named(world: World):
    publish(1, 2)
    anchors.anchor_all()
    send(world)
    EvidenceFile.objects.filter(name=f"0x{1:064x}.json").update(anchor=None)
    assert {("ledger_anchor", "terms/0", "count"), ("ledger_anchor", "terms/0", "root")} <= findings(world)
    EvidenceFile.objects.filter(kind="terms").update(anchor=Anchor.objects.get())
    assert findings(world) == set()
    Anchor.objects.update(root="0x" + "ab" * 32)
    assert ("ledger_anchor", "terms/0", "root") in findings(world)


def test_an_entry_that_our_key_made_and_no_row_knows_is_named(world: World):
    calldata = encode_call("append", kind_word("terms"), b"\7" * 32, 1)
    world.send_raw("relayer", world.known.evidence_log, calldata)
    world.finalise()
    assert ("ledger_anchor", f"0x{kind_word('terms').hex()}/0", "*") in findings(world)


def test_a_stranger_s_entries_are_nobody_s_business(world: World):
    world.person("alice")
    calldata = encode_call("append", kind_word("terms"), b"\7" * 32, 1)
    world.send_raw("alice", world.known.evidence_log, calldata)
    world.finalise()
    assert findings(world) == set()
