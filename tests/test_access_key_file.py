"""The file of keys is read only where nobody else can, and written whole or not at all."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.access.key_file import read_keys, write_keys
from app.access.key_ring import KeyRing
from app.errors import KeyFileError
from tests.keys import add_key


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.toml"


def test_what_is_written_is_read_again_and_only_its_owner_may(path: Path) -> None:
    add_key(path, "predict", "individual", expires=datetime(2030, 1, 2, tzinfo=UTC), requests_per_minute=60)
    add_key(path, "predict", sequences_per_minute=7, client="lab 7 @home")
    first, second = read_keys(path)
    assert (first.scopes, first.requests_per_minute) == ({"predict", "individual"}, 60)
    assert first.expires == datetime(2030, 1, 2, tzinfo=UTC)
    assert (second.client, second.sequences_per_minute, second.expires) == ("lab 7 @home", 7, None)
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_file_never_holds_a_key(path: Path) -> None:
    text = add_key(path, "predict")
    assert text.rpartition("_")[2] not in path.read_text()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")
def test_a_file_that_root_hands_to_a_group_is_read(path: Path) -> None:
    write_keys(path, ())
    path.chmod(0o440)
    assert read_keys(path) == ()
    os.chown(path, 10_001, 10_001)
    with pytest.raises(KeyFileError, match="has mode 0440"):
        read_keys(path)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o700, 0o602])
def test_a_file_that_others_may_read_is_refused_with_the_way_out(path: Path, mode: int) -> None:
    add_key(path, "predict")
    path.chmod(mode)
    with pytest.raises(KeyFileError, match=f"has mode {mode:04o}.*chmod 600"):
        read_keys(path)


def test_a_file_that_cannot_be_written_is_fine(path: Path) -> None:
    add_key(path, "predict")
    path.chmod(0o400)
    assert len(read_keys(path)) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("keys = = 1", "is not TOML"),
        ("[[keys]]\nid = 'abcd1234'", "keys.0.client"),
        ("colour = 1", "colour"),
        ("\xff", "is not UTF-8"),
    ],
)
def test_a_file_of_something_else_is_refused(path: Path, text: str, message: str) -> None:
    path.write_bytes(text.encode("latin-1"))
    path.chmod(0o600)
    with pytest.raises(KeyFileError, match=message):
        read_keys(path)


def test_the_same_id_twice_and_a_third_live_key_are_refused(path: Path) -> None:
    add_key(path, "predict")
    with pytest.raises(KeyFileError, match="is there twice"):
        write_keys(path, read_keys(path) * 2)
    add_key(path, "predict")
    with pytest.raises(KeyFileError, match="lab has more than 2 live keys"):
        add_key(path, "predict")
    assert len(read_keys(path)) == 2


def test_a_folder_is_no_file_and_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="cannot read"):
        read_keys(tmp_path)
    with pytest.raises(KeyFileError, match="No such file"):
        read_keys(tmp_path / "nowhere")
    with pytest.raises(KeyFileError, match="cannot write"):
        write_keys(tmp_path / "nowhere" / "keys.toml", ())


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_keys_that_come_and_go_are_noticed_within_a_second(path: Path) -> None:
    clock = Clock()
    old = add_key(path, "predict")
    ring = KeyRing(path, clock)
    new = add_key(path, "predict")
    assert ring.find(new) is None
    clock.now = 1.0
    assert ring.find(new)
    write_keys(path, ())
    clock.now = 2.0
    assert ring.find(old) is None


def test_a_slip_in_the_file_changes_nothing(path: Path) -> None:
    clock = Clock()
    key = add_key(path, "predict")
    ring = KeyRing(path, clock)
    path.chmod(0o644)
    clock.now = 1.0
    assert ring.find(key)
    path.unlink()
    clock.now = 2.0
    assert ring.find(key)


def test_a_file_without_keys_lets_nobody_in_and_is_refused_at_the_start(path: Path) -> None:
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
    with pytest.raises(KeyFileError, match="holds no key"):
        KeyRing(path)
