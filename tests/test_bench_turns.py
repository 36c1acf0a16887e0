"""Two servers that are alive at once are asked in turn, and what they answered becomes figures."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.measure import LOAD_CORE, SERVER_CORE
from benchmarks.peers.bars import of_loads
from benchmarks.peers.contestants import IN_PROCESS, ours
from benchmarks.peers.figures import Measured, Who
from benchmarks.peers.plan import MIDDLE, Load, Mixture, Workload
from benchmarks.peers.processes import Running
from benchmarks.peers.turns import RESTLESS, Alive, idle_share, in_turns, measure
from tests.toy import write_token_bundle

PEER = Who("mosec", "single")
TEXTS = tuple("ACGT"[index % 4] * (index % 5 + 1) for index in range(40))
MIXED = Mixture("short ones", TEXTS)
LOADS = (Load(MIXED, 1, most=6), Load(MIXED, 32, seconds=0.4), Load(MIXED, share=0.8))
TURNS = 2
SPECIAL_TOKENS = 2  # of each sequence


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    """The service, and once more as if it were another one."""
    if not {SERVER_CORE, LOAD_CORE} <= os.sched_getaffinity(0):
        pytest.skip("servers and load generator need a core each")
    folder = tmp_path_factory.mktemp("turns")
    python = Path(sys.executable)
    service = ours(folder, python)[0]
    workload = in_turns(Workload(MIDDLE, write_token_bundle(folder), LOADS, yardstick_sequences=4))
    workload = replace(workload, loads=tuple(_short(load) for load in workload.loads))
    return measure(workload, [replace(service, who=PEER), service], python, TURNS, lambda _: None)


def _short(load: Load) -> Load:
    return replace(load, seconds=0.5) if load.share else load


def test_everybody_is_asked_in_each_turn_and_bare_too(measured: Measured) -> None:
    alone, many, late = measured.workload.loads
    counts = {load.name: {who: len(runs) for who, runs in measured.of(load).items()} for load in (alone, many, late)}
    assert counts[alone.name] == counts[late.name] == {PEER: TURNS, IN_PROCESS: TURNS}
    assert counts[many.name] == {PEER: 2 * TURNS, IN_PROCESS: 2 * TURNS}  # in halves
    assert len(measured.bare_of(alone)) == TURNS
    assert len(measured.bare_of(many)) == 2 * TURNS


def test_a_lone_caller_sends_everybody_the_same_sequences(measured: Measured) -> None:
    alone = measured.workload.loads[0]
    runs = [run for of_one in measured.of(alone).values() for run in of_one]
    assert all(len(run.latencies_ms) == len(TEXTS) and not run.errors for run in runs)
    assert all(len(bare.alone_ms) == len(TEXTS) for bare in measured.bare_of(alone))
    assert all(min(bare.alone_ms) > 0 for bare in measured.bare_of(alone))


def test_tokens_are_those_of_the_sequences_that_were_answered(measured: Measured) -> None:
    alone, many, _ = measured.workload.loads
    mean = sum(map(len, TEXTS)) / len(TEXTS) + SPECIAL_TOKENS
    for run in measured.of(alone)[IN_PROCESS]:
        assert run.tokens_per_second / run.sequences_per_second == pytest.approx(mean)
    for run in measured.of(many)[IN_PROCESS]:
        assert run.tokens_per_second / run.sequences_per_second == pytest.approx(mean, rel=0.1)


def test_every_bar_has_an_answer(measured: Measured) -> None:
    asked = [answer.what for answer in of_loads([measured])]
    assert asked == [
        "tokens/s, of bare ONNX Runtime's",
        "p50 of what a request takes above bare ONNX Runtime",
        "p50 of what a request takes beside the lowest peer (mosec, single)",
        "p99, of the best peer's (mosec, single)",
    ]


@pytest.fixture
def polling() -> Iterator[Running]:
    """A server that looks for requests all the time."""
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:
        yield Running(0, (process.pid,), 0.0)
        process.kill()


def test_a_server_that_is_never_idle_stands_still_while_others_are_asked(polling: Running) -> None:
    assert idle_share(polling, 0.5) > RESTLESS
    polling.send(signal.SIGSTOP)
    assert idle_share(polling, 0.2) == 0
    before = polling.cpu_seconds()
    with Alive(ours(Path(), Path())[0], polling, restless=True).awake():
        time.sleep(0.3)
    assert polling.cpu_seconds() > before
    assert idle_share(polling, 0.2) == 0


def test_a_server_that_rests_is_left_alone(polling: Running) -> None:
    with Alive(ours(Path(), Path())[0], polling, restless=False).awake():
        pass
    assert idle_share(polling, 0.5) > 0
