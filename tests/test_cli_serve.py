"""`basecast serve`, run as an operator runs it."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path

import httpx
import pytest

from tests.live import LiveServer
from tests.terminal import Finished, Run, Terminal, start


def test_serve_says_where_answers_and_stops_on_sigterm(toy_models: Path) -> None:
    process = start("serve", "--port", 0, "--models", toy_models)
    try:
        serving = json.loads(process.stderr.readline())
        assert (serving["event"], serving["models"]) == ("serving", ["gc@1.0.0", "mean-id@1.0.0"])
        reply = httpx.post(f"{serving['url']}/predict", json={"model": "gc", "sequences": ["GGCA"]})
        assert reply.json()["predictions"][0]["values"] == {"gc_fraction": 0.75}
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 0
    events = [json.loads(line)["event"] for line in errors.splitlines()]
    assert [event for event in events if event != "batch"] == ["request", "draining"]  # a slow batch has a line too


def test_a_terminal_sees_a_banner_with_an_example_that_works(toy_models: Path) -> None:
    with Terminal() as terminal:
        process = start("serve", "--port", 0, "--models", toy_models / "gc", stderr=terminal.end)
        try:
            shown = terminal.shown_until('["GGCA"]}')
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=20)
    assert re.search(r"http://127\.0\.0\.1:[1-9]\d*/docs", shown)
    for text in ("gc", "1.0.0", "gc_fraction", "curl http://127.0.0.1:"):
        assert text in shown


@pytest.mark.parametrize("option", ["--port", "--metrics-port"])
def test_a_port_in_use_is_one_line(run: Run, live_server: LiveServer, toy_models: Path, option: str) -> None:
    done = run("serve", "--models", toy_models, "--port", 0, option, live_server.port)
    expected = f"error: cannot listen on 127.0.0.1 port {live_server.port}: Address already in use\n"
    assert done == Finished(1, "", expected)


def test_a_folder_without_bundles_is_one_line(run: Run, tmp_path: Path) -> None:
    done = run("serve", "--models", tmp_path, "--port", 0)
    assert done.status == 1
    assert done.err.startswith(f"error: no bundle in {tmp_path}")


def test_an_address_that_others_reach_needs_a_word(run: Run, toy_models: Path) -> None:
    done = run("serve", "--models", toy_models, "--host", "0.0.0.0")
    assert done.status == 1
    assert done.err.startswith("error: host 0.0.0.0 can be reached from outside")
