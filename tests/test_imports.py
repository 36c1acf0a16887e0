"""The service starts without the frameworks of training, and imports run downward only."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY

FORBIDDEN = ("torch", "transformers", "onnx", "onnxscript", "training", "scipy")


@pytest.mark.parametrize("module", ["app.main", "app.server", "app.worker", "app.cli"])
def test_a_fresh_interpreter_with_the_service_holds_no_training_framework(module: str) -> None:
    program = f"import sys, {module}; print(*(name for name in {FORBIDDEN} if name in sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert loaded.stdout.split() == []


def test_the_layers_hold() -> None:
    linted = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports; raise SystemExit(lint_imports())"],
        capture_output=True,
        text=True,
        check=False,
        cwd=REPOSITORY,
    )
    assert linted.returncode == 0, linted.stdout
