"""Several processes train what one would, through accelerate and for real."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from training.config import read_config
from training.errors import FitError
from training.pipeline import Pipeline
from training.preparation import prepare
from training.processes import ALONE, launched, refuse_several_processes
from training.watching import Watcher

CPU = torch.device("cpu")
REPOSITORY = Path(__file__).parents[2]
SAME_DRAWS = ("cut_rate = 0.05", "mutation_rate = 0.01", "dropout = 0.1")  # these differ from process to process


def test_a_process_that_is_alone_needs_no_accelerate() -> None:
    module, rows = torch.nn.Linear(1, 1), np.ones((2, 1), dtype=np.float32)

    with launched(CPU) as processes, processes.without_sync(module):
        processes.wait()

    assert (processes.rank, processes.count, processes.is_main, processes.device) == (0, 1, True, CPU)
    assert processes.prepare(module) is module
    assert processes.joined(rows) is rows
    assert processes.mean(torch.tensor(2.0)).item() == 2.0
    assert ALONE.is_main


def test_what_is_done_once_is_not_started_several_times(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_several_processes()
    monkeypatch.setenv("WORLD_SIZE", "2")

    with pytest.raises(FitError, match="only `fit` runs in several processes"):
        refuse_several_processes()


@pytest.mark.slow
def test_two_processes_killed_and_resumed_end_with_the_weights_of_one(
    toy_token_toml: str, toy_data: Path, tmp_path: Path
) -> None:
    for line in SAME_DRAWS:
        toy_token_toml = toy_token_toml.replace(line, "")
    (tmp_path / "toy.toml").write_text(toy_token_toml.replace("width = 12", "width = 12\ndropout = 0.0"))
    config = read_config(tmp_path / "toy.toml")
    alone, together = (tmp_path / name / config.bundle.name for name in ("one", "two"))
    one = Pipeline(config, prepare(config, toy_data, alone), alone)
    two = Pipeline(config, prepare(config, toy_data, together), together)
    fit = ["fit", str(tmp_path / "toy.toml"), "--runs", str(together.parent), "--device", "cpu"]

    one.fit(CPU, Watcher(Console(quiet=True)))
    killed = torchrun(str(REPOSITORY / "tests" / "training" / "dying_fit.py"), "10", *fit)
    epochs_before = len((two.stage.folder / "metrics.csv").read_text().splitlines()) - 1
    resumed = torchrun("-m", "training", *fit)

    assert killed.returncode != 0
    assert epochs_before == 1
    assert resumed.returncode == 0, resumed.stderr
    expected, found = one.load().state_dict(), two.load().state_dict()
    for name in expected:
        # A bias of the keys changes no attention, so its gradient is nothing but rounding, which AdamW enlarges.
        if not name.endswith("Wqkv.bias"):
            assert torch.allclose(expected[name], found[name], atol=1e-5), name


def torchrun(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *arguments]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY)}
    environment["ACCELERATE_MIXED_PRECISION"] = "bf16"  # of the launcher's configuration; fit.precision counts
    return subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
