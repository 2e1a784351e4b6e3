"""Evidence is written once, never changed, found by name only, and served as it lies on the disk."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client

from ledger import evidence
from ledger.errors import BadEvidenceName, EvidenceConflict
from ledger.models import EvidenceFile

NAME = "0x" + "ab" * 32


@pytest.mark.django_db
def test_the_same_bytes_again_are_no_news_and_other_bytes_are_refused(var: Path):
    first = evidence.publish("terms", NAME, b"{}")
    assert evidence.publish("terms", NAME + ".json", b"{}") == first
    with pytest.raises(EvidenceConflict):
        evidence.publish("terms", NAME, b"{ }")
    assert evidence.read("terms", NAME) == b"{}"
    assert [path.name for path in (var / "evidence" / "terms").iterdir()] == [NAME + ".json"]
    assert EvidenceFile.objects.get().sha256 == "0x" + hashlib.sha256(b"{}").hexdigest()


@pytest.mark.django_db
def test_a_file_that_a_crash_left_without_its_index_row_gets_one(var: Path):
    evidence.publish("terms", NAME, b"{}")
    EvidenceFile.objects.all().delete()
    evidence.publish("terms", NAME, b"{}")
    assert EvidenceFile.objects.count() == 1


@pytest.mark.django_db
def test_an_object_must_be_named_after_its_bytes(var: Path):
    name = "0x" + hashlib.sha256(b"code").hexdigest()
    assert evidence.publish("objects", name, b"code").size == 4
    with pytest.raises(EvidenceConflict):
        evidence.publish("objects", NAME, b"code")


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("terms", "../secrets/operator.key"),
        ("..", "secrets"),
        ("terms", "/etc/passwd"),
        ("terms", NAME + "/../x.json"),
        ("orders", NAME),
        ("objects", NAME + ".json"),
        ("terms", NAME + "\n"),
        ("no-such-kind", NAME),
    ],
)
def test_only_names_of_the_protocol_are_paths(var: Path, kind: str, name: str):
    with pytest.raises(BadEvidenceName):
        evidence.locate(kind, name)


@pytest.mark.django_db(transaction=True)
def test_of_two_publishers_with_other_bytes_one_wins_and_the_other_is_told(var: Path):
    def attempt(number: int) -> bytes | None:
        payload = str(number % 4).encode()
        try:
            evidence.publish("terms", NAME, payload)
            return payload
        except EvidenceConflict:
            return None
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        winners = {result for result in pool.map(attempt, range(32)) if result is not None}
    assert winners == {evidence.read("terms", NAME)}


@pytest.mark.django_db
def test_it_is_served_for_ever_and_listed(var: Path, client: Client):
    evidence.publish("terms", NAME, b'{"version":1}')
    answer = client.get(f"/evidence/terms/{NAME}.json")
    assert answer.content == b'{"version":1}' and answer["Content-Type"] == "application/json"
    assert "immutable" in answer["Cache-Control"]
    listing = client.get("/evidence/terms/").json()
    assert [row["name"] for row in listing["results"]] == [NAME + ".json"] and listing["next"] is None
    assert client.get("/evidence/").json()["kinds"]["terms"] == 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"/evidence/terms/0x{'0' * 64}.json", 404),
        ("/evidence/terms/..%2F..%2Fsecrets%2Foperator.key", 404),
        ("/evidence/nothing/", 404),
        ("/evidence/terms/?cursor=-1", 400),
        ("/evidence/terms/?cursor=x", 400),
    ],
)
def test_a_bad_address_is_a_problem_and_never_a_file(var: Path, client: Client, path: str, status: int):
    (var / "secrets" / "operator.key").write_text("secret")
    answer = client.get(path)
    assert answer.status_code == status
    assert b"secret" not in answer.content.replace(b"secrets", b"")
