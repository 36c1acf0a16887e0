"""`--engine ray`: the engines that a cluster has room for, and a cluster of two machines that loses one of them."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app import __version__
from app.bundle import read_bundle
from app.errors import ShardError
from app.shards.folder import Tally, WorkFolder
from app.shards.on_ray import Engines, RayShardWorker, check_address, engines_for, until_whole
from app.shards.plan import Input, Shard
from app.shards.sequences import SequenceWork
from tests.live import free_port
from tests.terminal import Run, start
from tests.toy import write_slow_bundle


def machine(alive: bool = True, **resources: float) -> dict[str, Any]:
    return {"Alive": alive, "Resources": {"memory": 1e9, **resources}}


@pytest.mark.parametrize(
    ("machines", "device", "engines"),
    [
        ([machine(CPU=8), machine(CPU=8)], "auto", Engines(2, cpus=8, gpus=0)),
        ([machine(CPU=8), machine(CPU=20), machine()], "cpu", Engines(3, cpus=8, gpus=0)),
        ([machine(CPU=8), machine(False, CPU=4)], "auto", Engines(1, cpus=8, gpus=0)),
        ([machine(CPU=8, GPU=4), machine(CPU=8, GPU=1), machine(CPU=64)], "auto", Engines(5, cpus=1, gpus=1)),
        ([machine(CPU=8, GPU=4)], "cuda:0", Engines(4, cpus=1, gpus=1)),
        ([machine(CPU=8, GPU=4)], "cpu", Engines(1, cpus=8, gpus=0)),
    ],
)
def test_there_is_an_engine_for_each_device(machines: list[dict[str, Any]], device: str, engines: Engines) -> None:
    assert engines_for(machines, device) == engines


@pytest.mark.parametrize(
    ("machines", "device", "told"),
    [([machine(CPU=8)], "cuda:0", "has no GPU"), ([machine()], "auto", "neither GPU nor CPU")],
)
def test_a_cluster_without_the_device_is_told(machines: list[dict[str, Any]], device: str, told: str) -> None:
    with pytest.raises(ShardError, match=told):
        engines_for(machines, device)


def test_without_the_extra_one_line_says_what_to_install(
    run: Run, toy_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    (tmp_path / "in.fa").write_text(">a\nGGCA\n")
    done = run(
        "predict", tmp_path / "in.fa", "--models", toy_models / "gc", "--engine", "ray", "-o", tmp_path / "o.tsv"
    )
    assert (done.status, done.err) == (1, "error: --engine ray needs Ray: pip install 'basecast[ray]'\n")


def test_a_cluster_that_is_not_there_is_told_at_once(
    run: Run, toy_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{free_port()}")
    (tmp_path / "in.fa").write_text(">a\nGGCA\n")
    done = run(
        "predict", tmp_path / "in.fa", "--models", toy_models / "gc", "--engine", "ray", "-o", tmp_path / "o.tsv"
    )
    told = "error: no Ray cluster answers at RAY_ADDRESS; is `ray start --head` running there?\n"
    assert (done.status, done.err) == (1, told)


@pytest.mark.parametrize("address", ["", "auto", "local", "ray://head:10001"])
def test_other_addresses_are_left_to_ray(address: str) -> None:
    check_address(address)


SHARDS = [Shard(part, part + 1, 1, part, part + 1) for part in range(4)]


def test_what_is_lost_is_handed_out_again(tmp_path: Path) -> None:
    folder, rounds = WorkFolder(tmp_path, ".tsv"), []

    def one_round(pending: Sequence[Shard]) -> Iterator[Shard]:
        """Tells the first; of the second it has only the files."""
        rounds.append(list(pending))
        for shard in pending[:2]:
            folder.write(shard, b"", Tally(predicted=1, refused=(), table_bytes=0, place="here/1"))
        yield pending[0]

    assert list(until_whole(folder, SHARDS, one_round)) == SHARDS
    assert rounds == [SHARDS, SHARDS[2:]]


def test_engines_that_never_compute_anything_end_the_run(tmp_path: Path) -> None:
    with pytest.raises(ShardError, match="end before they have computed anything"):
        list(until_whole(WorkFolder(tmp_path, ".tsv"), SHARDS, lambda _: iter(())))


@pytest.fixture
def work(tmp_path: Path, toy_models: Path) -> SequenceWork:
    """One shard of one record."""
    text, parts = tmp_path / "in.fa", tmp_path / "parts"
    text.write_text(">a\nGGCA\n")
    parts.mkdir()
    facts = Input(size_bytes=8, sha256="", text_bytes=8, head=(0, 0))
    digest = read_bundle(toy_models / "gc").sha256
    return SequenceWork(text, facts, toy_models / "gc", digest, parts, ".tsv", "cpu", True)


def computed(work: SequenceWork, basecast: str = __version__) -> str:
    """What a worker in an actor tells of the only shard."""
    worker = RayShardWorker(work, basecast, 1, lambda: "here/1")
    batch = {name: np.array([value]) for name, value in Shard(0, 1, 1, 0, 8)._asdict().items()}
    told = worker(batch)
    worker.close()
    assert told["part"].tolist() == [0]
    return str(told["error"][0])


def test_a_worker_in_an_actor_lays_down_its_shard(work: SequenceWork) -> None:
    assert computed(work) == ""
    assert (work.folder / "000000.tsv").read_text() == "id\tbases\ttokens\tgc_fraction\na\t4\t4\t0.75\n"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"model_sha256": "other"}, "the bundle on a worker is not the one that the run began with"),
        ({"ending": ".xlsx"}, "an engine failed (KeyError)"),
    ],
)
def test_what_a_worker_cannot_do_is_told(work: SequenceWork, change: dict[str, Any], told: str) -> None:
    assert computed(replace(work, **change)) == told


def test_a_worker_of_another_version_computes_nothing(work: SequenceWork) -> None:
    told = computed(work, basecast="0.0.1")
    assert told == f"Basecast {__version__} is installed on a worker, the run is of 0.0.1"


class TwoMachines:
    """A cluster of two machines, which is gone afterwards with all that was begun on it."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="ray-")  # its sockets' paths have to be short
        self.env = {
            "RAY_TMPDIR": self._folder.name,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_health_check_initial_delay_ms": "1000",
            "RAY_health_check_period_ms": "500",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.shards.two_machines"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=os.environ | self.env,
        )  # fmt: skip
        where = json.loads(self._process.stdout.readline())
        self.env["RAY_ADDRESS"] = where["address"]
        self.raylets: list[int] = where["raylets"]

    def close(self) -> None:
        with suppress(subprocess.TimeoutExpired):
            self._process.communicate(timeout=30)
        while left := self._processes():
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.1)
        self._process.wait()
        self._folder.cleanup()

    def _processes(self) -> list[int]:
        """Everything that was begun with this cluster's own environment."""
        mark = f"RAY_TMPDIR={self._folder.name}".encode()
        return [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/environ") if mark in _read(path)]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it has ended meanwhile, or is somebody else's
        return b""


@pytest.fixture(scope="module")
def cluster() -> Iterator[TwoMachines]:
    cluster = TwoMachines()
    try:
        yield cluster
    finally:
        cluster.close()


def nodes_of(parts: Path) -> set[str]:
    """The machines that the parts were computed on."""
    tallies = [json.loads(path.read_text()) for path in parts.glob("[0-9]*.json")]
    return {tally["place"].partition("/")[0] for tally in tallies}


def wait_until(process: subprocess.Popen[str], condition: Callable[[], bool]) -> None:
    while not condition():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)


@pytest.mark.ray
def test_a_run_that_is_stopped_ends_without_a_word(
    cluster: TwoMachines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in cluster.env.items():
        monkeypatch.setenv(name, value)
    source, parts = tmp_path / "in.fa", tmp_path / "parts"
    source.write_text("".join(f">{bases}\n{'G' * bases}\n" for bases in range(1, 101)))
    model = write_slow_bundle(tmp_path)
    process = start(
        "predict", source, "--models", model, "--engine", "ray", "--shard-sequences", 1, "--work-dir", parts
    )
    wait_until(process, lambda: bool(nodes_of(parts)))
    process.terminate()
    out, told = process.communicate(timeout=120)
    assert (process.returncode, out, [line for line in told.splitlines() if "shards, " not in line]) == (143, "", [])


@pytest.mark.ray
def test_a_cluster_that_loses_the_run_and_then_a_machine_makes_the_same_table(
    run: Run, cluster: TwoMachines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in cluster.env.items():
        monkeypatch.setenv(name, value)
    source, model = tmp_path / "in.fa", write_slow_bundle(tmp_path)
    source.write_text("".join(f">{bases}\n{'G' * bases}{'A' * 10}\n" for bases in range(1, 25)) + ">x\n!\n")
    output, parts = tmp_path / "out.csv", tmp_path / "out.csv.parts"

    def arguments(engine: str, output: Path) -> list[object]:
        return ["predict", source, "--models", model, "--shard-sequences", 1, "--engine", engine, "-o", output]

    first = start(*arguments("ray", output))
    wait_until(first, lambda: len(nodes_of(parts)) == 2)
    first.kill()
    first.communicate(timeout=60)
    whole = len(list(parts.glob("[0-9]*.json")))
    assert (whole < 25, output.exists()) == (True, False)

    second = start(*arguments("ray", output), "--keep-parts")
    wait_until(second, lambda: len(list(parts.glob("[0-9]*.json"))) > whole + 2)
    os.kill(cluster.raylets[1], signal.SIGKILL)
    _, told = second.communicate(timeout=300)
    assert second.returncode == 3, told
    assert "on 2 machines" in told

    run(*arguments("local", tmp_path / "unbroken.csv"), "-q")
    assert output.read_bytes() == (tmp_path / "unbroken.csv").read_bytes()
