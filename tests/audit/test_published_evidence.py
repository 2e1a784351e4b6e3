"""Every published byte counts: a changed or missing file is named by its id, whoever changed it."""

import json
import random
import shutil
from pathlib import Path

import pytest

from suan.core.clearing.book import ClearingBook
from suan.core.clearing.evidence import clear_document
from suan.core.encoding import canonical_json, sha256_hex
from suan.core.signing.messages import evidence_seal_digest
from tests.journey.live import Live
from tests.journey.story import Traded

pytestmark = [pytest.mark.slow, pytest.mark.chain]
DOCUMENTS = ("orders", "terms", "acknowledgements", "cancels", "clearings", "settlements", "seals")
SEED = 7


@pytest.fixture
def copy(live: Live, traded: Traded, tmp_path: Path) -> Path:
    """A mirror of the evidence, as anybody may keep one."""
    return Path(shutil.copytree(live.evidence, tmp_path / "evidence"))


def change_a_byte(path: Path, chance: random.Random) -> None:
    data = bytearray(path.read_bytes())
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(7)
    path.write_bytes(bytes(data))


def named(output: str, path: Path) -> bool:
    """Whether a report names a file by the id in its name; lines of a terminal may break it."""
    return path.stem in "".join(output.split())


def test_an_untouched_mirror_is_as_good_as_the_exchange(live: Live, copy: Path) -> None:
    result = live.audit(evidence=copy)
    assert result.exit_code == 0, result.output
    assert "No difference" in result.output


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_a_changed_byte_of_a_document_is_named(live: Live, copy: Path, kind: str) -> None:
    chance = random.Random(f"{SEED} {kind}")
    files = chance.sample(sorted((copy / kind).iterdir()), k=min(3, len(list((copy / kind).iterdir()))))
    for path in files:
        change_a_byte(path, chance)
    result = live.audit("--json", evidence=copy)
    assert result.exit_code == 1, result.output
    assert [path.name for path in files if not named(result.stdout, path)] == []


def test_a_changed_byte_of_code_input_or_output_is_named_when_jobs_are_recomputed(
    live: Live, copy: Path
) -> None:
    chance = random.Random(SEED)
    objects = [path for path in sorted((copy / "objects").iterdir()) if path.stat().st_size]
    for path in objects:
        change_a_byte(path, chance)
    result = live.audit("--json", "--rerun", "1", evidence=copy)
    assert result.exit_code == 1, result.output
    assert [path.name for path in objects if not named(result.stdout, path)] == []


@pytest.mark.parametrize("kind", ("orders", "terms", "acknowledgements", "clearings", "settlements", "seals"))
def test_missing_evidence_is_a_difference(live: Live, copy: Path, traded: Traded, kind: str) -> None:
    path = traded.evidence(copy, kind)
    path.unlink()
    result = live.audit("--json", evidence=copy)
    assert result.exit_code == 1, result.output
    assert named(result.stdout, path)


def test_differences_are_told_in_words_and_counted(live: Live, copy: Path, traded: Traded) -> None:
    traded.evidence(copy, "orders").unlink()
    result = live.audit(evidence=copy)
    assert result.exit_code == 1
    assert "differences." in result.output
    assert "missing" in result.output


def test_a_folder_that_is_not_there_is_an_error_and_not_a_difference(live: Live, tmp_path: Path) -> None:
    assert live.audit(evidence=tmp_path / "nowhere").exit_code == 5
    assert live.audit("--rerun", "2").exit_code == 2


def test_an_acknowledged_order_in_all_its_auctions_is_no_difference(
    live: Live, traded: Traded, tmp_path: Path
) -> None:
    for number, order in enumerate((traded.bid, traded.offer, traded.cancelled, traded.resting)):
        path = tmp_path / f"{number}.json"
        path.write_text(json.dumps(order))
        result = live.audit("--ack", str(path))
        assert result.exit_code == 0, result.output


def test_an_auction_that_left_out_an_acknowledged_order_is_named_although_the_exchange_sealed_it(
    live: Live, traded: Traded, copy: Path, tmp_path: Path
) -> None:
    said = traded.resting["acknowledgement"]
    number = max(json.loads(path.read_bytes())["number"] for path in (copy / "clearings").iterdir())
    empty = ClearingBook(symbol=traded.product, cut_sequence=said["sequence"] + 1000)
    document = clear_document(empty, number=number + 1, now=said["accepted_at"] + 1)
    name, data = f"clr_0x{document.clearing_id.hex()}.json", document.to_bytes()
    (copy / "clearings" / name).write_bytes(data)
    signature = traded.exchange_signs(live, evidence_seal_digest(f"clearings/{name}", sha256_hex(data)))
    seal = {"file": f"clearings/{name}", "sha256": sha256_hex(data), "signature": "0x" + signature.hex()}
    (copy / "seals" / name).write_bytes(canonical_json(seal))

    acknowledgement = tmp_path / "ack.json"
    acknowledgement.write_text(json.dumps(said))
    assert live.audit(evidence=copy).exit_code == 0
    result = live.audit("--json", "--ack", str(acknowledgement), evidence=copy)
    assert result.exit_code == 1, result.output
    (difference,) = json.loads(result.stdout)["differences"]
    assert difference["subject"] == traded.resting["order_id"]
    assert name.removesuffix(".json") in difference["field"] and difference["found"] == "left out"


def test_a_false_acknowledgement_is_not_the_exchanges(live: Live, traded: Traded, tmp_path: Path) -> None:
    path = tmp_path / "ack.json"
    path.write_text(json.dumps(traded.bid["acknowledgement"] | {"sequence": 1_000_000}))
    result = live.audit("--json", "--ack", str(path))
    assert result.exit_code == 1
    assert traded.bid["order_id"] in result.stdout
