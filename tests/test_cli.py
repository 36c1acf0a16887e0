"""The command line as a whole, its settings and its logs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from app import __version__
from tests.terminal import Finished, Run


def test_the_version_is_the_package_s(run: Run) -> None:
    assert run("--version") == Finished(0, f"basecast {__version__}\n", "")


@pytest.mark.parametrize(
    "command",
    [
        "serve",
        "worker",
        "predict",
        "models list",
        "models show",
        "models verify",
        "models tune",
        "keys create",
        "keys list",
        "keys revoke",
        "config check",
    ],
)
def test_each_command_s_help_has_examples(run: Run, command: str) -> None:
    shown = run(*command.split(), "--help")
    assert shown.status == 0
    assert f"basecast {command}" in shown.out.partition("For example:")[2]


# config


def test_config_check_prints_toml_that_can_be_kept(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BASECAST_THREADS", "3")
    first = run("config", "check")
    assert "threads = 3" in first.out
    assert "# BASECAST_THREADS" in first.out
    monkeypatch.delenv("BASECAST_THREADS")
    (tmp_path / "basecast.toml").write_text(first.out)
    monkeypatch.setenv("BASECAST_CONFIG", str(tmp_path / "basecast.toml"))
    assert re.search(r"^threads = 3 +# the file of BASECAST_CONFIG$", run("config", "check").out, re.MULTILINE)


@pytest.mark.parametrize(
    ("queue", "shown"),
    [
        ("redis://worker:se:cret@127.0.0.1:6379/0", "redis://worker:***@127.0.0.1:6379/0"),
        ("rediss://:secret@queue.example", "rediss://:***@queue.example"),
        ("redis://queue.example?db=1&password=secret", "redis://queue.example?db=1&password=***"),
        ("unix:///run/redis.sock?password=secret&db=1", "unix:///run/redis.sock?password=***&db=1"),
        ("unix:///run/redis.sock", "unix:///run/redis.sock"),
    ],
)
def test_config_check_masks_the_password_of_the_queue(
    run: Run, monkeypatch: pytest.MonkeyPatch, queue: str, shown: str
) -> None:
    monkeypatch.setenv("BASECAST_QUEUE", queue)
    done = run("config", "check")
    assert f'queue = "{shown}"' in done.out
    assert "cret" not in done.out + done.err


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("PORT", "many", "error: port: "),
        ("HOST", "0.0.0.0", "error: host 0.0.0.0 can be reached from outside"),
        ("WATCHDOG_MS", "1501", "error: lease_ms must be at least 2 times watchdog_ms"),
        ("QUEUE", "redis://queue.example", "error: queue is on another host and asks for no password"),
    ],
)
def test_config_check_tells_what_is_wrong(
    run: Run, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, message: str
) -> None:
    monkeypatch.setenv(f"BASECAST_{variable}", value)
    done = run("config", "check")
    assert (done.status, done.out) == (1, "")
    assert done.err.startswith(message)


def test_config_check_tells_a_broken_file_in_a_line(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "basecast.toml").write_text("port = = 1")
    monkeypatch.setenv("BASECAST_CONFIG", str(tmp_path / "basecast.toml"))
    done = run("config", "check")
    assert done.status == 1
    assert done.err.startswith("error: the file of BASECAST_CONFIG is not TOML: ")


def test_a_variable_that_is_no_setting_is_refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BASECAST_PROT", "9000")
    done = run("config", "check")
    assert (done.status, done.err) == (1, "error: BASECAST_PROT is not a setting; did you mean BASECAST_PORT?\n")
