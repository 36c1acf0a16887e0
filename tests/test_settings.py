"""Settings come from the environment over a file over defaults, and contradictions end the start."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.errors import SettingsError
from app.settings import is_loopback, load_settings


def test_the_defaults_are_those_of_the_contract() -> None:
    settings = load_settings()
    assert (settings.host, settings.port, settings.metrics_port) == ("127.0.0.1", 8000, None)
    assert (settings.max_body_bytes, settings.max_sequences, settings.max_total_bases) == (2**23, 4096, 2**24)
    assert (settings.max_queue_tokens, settings.default_deadline_ms, settings.max_deadline_ms) == (
        2**22,
        10_000,
        120_000,
    )
    assert (settings.queue, settings.device, settings.models) == ("memory://", "auto", Path("models"))
    assert (settings.namespace, settings.lease_ms, settings.watchdog_ms) == ("basecast", 3000, 1500)


def test_the_environment_wins_over_the_file_and_the_command_line_over_both(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "basecast.toml").write_text("port = 1\nmax_sequences = 2\nthreads = 3\n")
    monkeypatch.setenv("BASECAST_CONFIG", str(tmp_path / "basecast.toml"))
    monkeypatch.setenv("BASECAST_PORT", "10")
    monkeypatch.setenv("BASECAST_MAX_SEQUENCES", "20")
    settings = load_settings(port=100, models=None)
    assert (settings.port, settings.max_sequences, settings.compute_threads) == (100, 20, 3)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"port": 70_000}, "port"),
        ({"max_sequences": 0}, "max_sequences"),
        ({"device": "tpu"}, "device"),
        ({"queue": "carrier-pigeon://"}, "queue"),
        ({"colour": "blue"}, "colour"),
        ({"default_deadline_ms": 99_999, "max_deadline_ms": 50}, "default_deadline_ms is larger"),
        ({"queue": "redis://"}, "queue"),
        ({"queue": "memory://elsewhere"}, "queue"),
        ({"namespace": "a{b}"}, "namespace"),
        ({"host": "0.0.0.0"}, "allow_anonymous"),
        ({"lease_ms": 2999}, "lease_ms must be at least 2 times watchdog_ms"),
        ({"queue": "redis://queue.example:6379/0"}, "asks for no password"),
        ({"queue": "rediss://queue.example"}, "asks for no password"),
        ({"allow_anonymous": True, "api_keys_file": "keys.toml"}, "contradict each other"),
    ],
)
def test_a_wrong_setting_is_named(given: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        load_settings(**given)


def test_a_file_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BASECAST_CONFIG", str(tmp_path / "nowhere.toml"))
    with pytest.raises(SettingsError, match="does not exist"):
        load_settings()


@pytest.mark.parametrize(
    ("queue", "computes_here"),
    [
        ("memory://", True),
        ("redis://127.0.0.1:6379/0", False),
        ("redis://worker:secret@queue.example", False),
        ("rediss://worker:secret@queue.example:6380", False),
        ("unix:///run/redis.sock", False),
    ],
)
def test_the_queue_says_where_is_computed(queue: str, computes_here: bool) -> None:
    assert load_settings(queue=queue).computes_here == computes_here


def test_a_password_of_the_queue_is_in_no_message() -> None:
    with pytest.raises(SettingsError) as refused:
        load_settings(queue="redis://worker:secret@queue.example", lease_ms=100)
    assert "secret" not in str(refused.value)


def test_an_address_others_can_reach_must_be_allowed() -> None:
    assert load_settings(host="0.0.0.0", allow_anonymous=True).host == "0.0.0.0"
    assert load_settings(host="0.0.0.0", api_keys_file="keys.toml").asks_for_keys


@pytest.mark.parametrize(
    ("host", "loopback"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("box", False)]
)
def test_loopback_is_told_from_the_rest(host: str, loopback: bool) -> None:
    assert is_loopback(host) == loopback


@pytest.mark.parametrize(
    ("device", "allow_cpu", "allowed"),
    [("auto", None, True), ("cpu", None, True), ("cuda:0", None, False), ("cuda:0", True, True)],
)
def test_the_cpu_replaces_cuda_only_where_that_is_allowed(device: str, allow_cpu: bool | None, allowed: bool) -> None:
    assert load_settings(device=device, allow_cpu=allow_cpu).cpu_allowed == allowed


def test_the_password_of_the_queue_can_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("a/b:c@d\n")
    settings = load_settings(queue="redis://api@queue.example:6379/0", queue_password_file=tmp_path / "password")
    assert settings.queue_url == "redis://api:a%2Fb%3Ac%40d@queue.example:6379/0"
    assert settings.queue == "redis://api@queue.example:6379/0"  # which `config check` prints


@pytest.mark.parametrize(
    ("queue", "content", "message"),
    [
        ("redis://api@queue.example", None, "queue_password_file cannot be read: No such file"),
        ("redis://api@queue.example", b"\n", "queue_password_file is empty"),
        ("redis://api@queue.example", b"\xff", "queue_password_file is not UTF-8"),
        ("redis://api:secret@queue.example", b"other", "whose URL has no password; leave one out"),
        ("memory://", b"other", "whose URL has no password; leave one out"),
    ],
)
def test_a_file_without_a_password_or_for_nothing_is_refused(
    tmp_path: Path, queue: str, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / "password").write_bytes(content)
    with pytest.raises(SettingsError, match=message):
        load_settings(queue=queue, queue_password_file=tmp_path / "password")
