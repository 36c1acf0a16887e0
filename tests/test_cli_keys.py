"""`basecast keys`, and what `config check` and `serve` make of the file."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.access.key_file import read_keys
from app.access.keys import KEY, Keys
from tests.keys import add_key
from tests.terminal import Run


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.toml"


def test_a_key_is_printed_once_and_opens_what_it_was_made_for(run: Run, path: Path) -> None:
    made = run("keys", "create", "--client", "lab-7", "--scope", "predict", "--requests-per-minute", 60, "--file", path)
    text = made.out.strip()
    assert (made.status, bool(KEY.fullmatch(text))) == (0, True)
    key = Keys(read_keys(path)).find(text, datetime.now(UTC))
    assert key
    assert (key.client, key.scopes, key.requests_per_minute, key.expires) == ("lab-7", {"predict"}, 60, None)
    assert f"key {key.id} of lab-7 added" in made.err
    assert text not in made.err + path.read_text() + run("keys", "list", "--file", path).out


def test_a_key_can_expire(run: Run, path: Path) -> None:
    both = ("--scope", "predict", "--scope", "individual")
    run("keys", "create", "--client", "lab", *both, "--expires-days", 90, "--file", path)
    (key,) = read_keys(path)
    assert key.scopes == {"predict", "individual"}
    assert key.expires
    assert timedelta(days=89) < key.expires - datetime.now(UTC) <= timedelta(days=90)


def test_keys_are_listed_with_what_they_open(run: Run, path: Path) -> None:
    add_key(path, "predict", "individual", client="clinic", sequences_per_minute=500)
    add_key(path, "predict", client="old", expires=datetime(2020, 1, 1, tzinfo=UTC))
    shown = run("keys", "list", "--file", path).out.splitlines()
    assert shown[1].split() == [read_keys(path)[0].id, "clinic", "individual,", "predict", "500", "never"]
    assert shown[2].split()[1:] == ["old", "predict", "expired"]


def test_rotation_takes_two_keys_and_the_old_one_s_end(run: Run, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BASECAST_API_KEYS_FILE", str(path))
    make = ("keys", "create", "--client", "lab", "--scope", "predict")
    assert [run(*make).status for _ in range(3)] == [0, 0, 1]
    old, new = (key.id for key in read_keys(path))
    assert run("keys", "revoke", old).err == f"key {old} revoked\n"
    assert [key.id for key in read_keys(path)] == [new]
    assert run("keys", "revoke", old).status == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("create", "--client", "a\nb", "--scope", "predict", "--file", "keys.toml"), "client"),
        (("create", "--client", "lab", "--scope", "admin", "--file", "keys.toml"), "scopes"),
        (("create", "--client", "lab", "--file", "keys.toml"), "--scope"),
    ],
)
def test_a_key_without_sense_is_wrong_usage(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("keys", *arguments)
    assert (done.status, message in done.err) == (2, True)
    assert list(tmp_path.iterdir()) == []


def test_without_a_file_it_says_how_to_name_one(run: Run) -> None:
    assert run("keys", "list").err == "error: name the file of keys with --file, or set api_keys_file\n"


@pytest.mark.parametrize("command", [("config", "check"), ("serve", "--port", "0")])
def test_a_file_that_others_may_read_ends_the_start(
    run: Run, path: Path, toy_models: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    add_key(path, "predict")
    path.chmod(0o644)
    monkeypatch.setenv("BASECAST_MODELS", str(toy_models))
    monkeypatch.setenv("BASECAST_API_KEYS_FILE", str(path))
    done = run(*command)
    assert (done.status, done.out) == (1, "")
    assert done.err == f"error: {path} has mode 0644; others must not read it: chmod 600 {path}\n"


def test_config_check_shows_where_the_keys_are_and_no_more(
    run: Run, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_key(path, "predict")
    monkeypatch.setenv("BASECAST_API_KEYS_FILE", str(path))
    monkeypatch.setenv("BASECAST_HOST", "0.0.0.0")
    done = run("config", "check")
    assert (done.status, done.err) == (0, "")
    assert f'api_keys_file = "{path}"' in done.out
    assert read_keys(path)[0].sha256 not in done.out


def test_config_check_warns_of_what_others_reach_without_a_key(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"HOST": "0.0.0.0", "ALLOW_ANONYMOUS": "true", "METRICS_PORT": "9100"}.items():
        monkeypatch.setenv(f"BASECAST_{name}", value)
    anonymous, metrics = run("config", "check").err.splitlines()
    assert anonymous.startswith("warning: whoever reaches host 0.0.0.0 is served")
    assert metrics.startswith("warning: /metrics on port 9100 asks nobody")
