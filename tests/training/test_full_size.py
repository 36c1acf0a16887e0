"""The published sizes of DNABERT-2 and Enformer load, export into one file and predict the same in ONNX Runtime."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY


@pytest.mark.slow
def test_dnabert2_at_its_published_size(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [sys.executable, "-m", "tests.training.full_size", str(tmp_path)]

    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=REPOSITORY)

    figures = json.loads(done.stdout.splitlines()[-1])
    with capsys.disabled():
        sys.stdout.write(f"\nDNABERT-2 at its published size: {figures}\n")
    (tmp_path / "pytorch_model.bin").unlink()  # half a gigabyte that pytest would keep
    assert figures["difference"] <= 1e-4
    assert figures["parameters"] == 117_074_176 - (768 * 768 + 768 + 2 * 768 + 4096) + 769  # a linear head for the LM's
    assert figures["graph_bytes"] < 2**31  # the largest file that protobuf writes


@pytest.mark.slow
def test_enformer_at_its_published_size(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [sys.executable, "-m", "tests.training.full_size_enformer", str(tmp_path)]

    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=REPOSITORY)

    figures = json.loads(done.stdout.splitlines()[-1])
    with capsys.disabled():
        sys.stdout.write(f"\nEnformer at its published size: {figures}\n")
    (tmp_path / "pytorch_model.bin").unlink()  # a gigabyte that pytest would keep
    assert figures["difference"] <= 1e-5
    assert figures["parameters"] == 251_221_292  # as enformer-pytorch's, both heads included
    assert figures["graph_bytes"] < 2**31
