"""Keys on disk: for their owner only, encrypted when a password is given, never overwritten."""

import json
import stat
from pathlib import Path

import pytest

from suan.client import keystore
from suan.client.errors import UsageError
from suan.client.keystore import LocalKey
from suan.core import encoding, signing


def test_a_new_key_is_a_file_for_its_owner_only_and_signs_what_it_says(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "me.json"
    made = keystore.create(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    digest = encoding.keccak(b"anything")
    assert signing.recover(digest, keystore.load(path).sign_digest(digest)) == made.address


def test_an_encrypted_key_opens_with_its_password_alone(tmp_path: Path) -> None:
    path = tmp_path / "me.json"
    made = keystore.create(path, "correct horse")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    document = json.loads(path.read_text())
    assert document["version"] == 3 and made._secret.hex() not in path.read_text()
    assert keystore.load(path, "correct horse") == made
    with pytest.raises(UsageError, match="password does not open"):
        keystore.load(path, "wrong horse")
    with pytest.raises(UsageError, match="set SUAN_PASSWORD"):
        keystore.load(path)


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "me.json"
    made = keystore.create(path)
    with pytest.raises(UsageError, match="exists already"):
        keystore.create(path)
    assert keystore.load(path) == made


def test_a_key_that_others_can_read_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "me.json"
    keystore.create(path)
    path.chmod(0o644)
    with pytest.raises(UsageError, match="chmod 600"):
        keystore.load(path)


@pytest.mark.parametrize(
    "text", ("", "[]", "not json", '{"secret": "12"}', '{"secret": "' + "0" * 64 + '"}', '{"crypto": {}}')
)
def test_a_file_that_is_no_key_is_a_usage_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "me.json"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(UsageError):
        keystore.load(path, "password")


def test_a_missing_key_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="suan keys new nobody"):
        keystore.load(tmp_path / "nobody.json")


@pytest.mark.parametrize("name", ("", "a b", "é" * 65, "x" * 65, "a.b"))
def test_names_of_keys_are_plain(name: str) -> None:
    with pytest.raises(UsageError, match="letters, digits"):
        keystore.path_of(name)


def test_the_folder_of_keys_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUAN_HOME", str(tmp_path))
    assert keystore.path_of("me") == tmp_path / "keys" / "me.json"
    assert keystore.path_of("./me.json") == Path("me.json")


def test_a_key_does_not_show_its_secret() -> None:
    key = LocalKey.from_hex("11" * 32)
    assert "11" * 32 not in repr(key) and "1111" not in str(key)
    with pytest.raises(ValueError, match="32 bytes"):
        key.sign_digest(b"short")
