"""What `make gpu-check` does on a GPU, done on the CPU with a tiny model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import typer

from app.batching import GPU_LIMITS, BatchLimits
from app.bundle import read_bundle
from app.engine import OnnxModel
from benchmarks.gpu.__main__ import NO_GPU, main, why_not
from benchmarks.gpu.checks import check_alone, check_golden_examples, check_out_of_memory, check_rebuilt
from benchmarks.gpu.engines import OURS, SDPA, Scale, batches_of, time_engines
from benchmarks.gpu.fused import fuse_attention, torch_predict
from benchmarks.gpu.packing import Batches, as_the_service_forms_them, as_they_come, operations
from benchmarks.gpu.page import matrix_share, page
from benchmarks.gpu.timing import Speed, matrix_rate
from benchmarks.random_bundle import random_model, write_random_bundle
from tests.toy import write_hungry_bundle, write_toy_bundle
from training.recipe import ModelConfig

TINY = ModelConfig(backbone="dnabert2", width=16, layers=2, heads=2, inner_width=32)
SCALE = Scale(TINY, lengths=(4, 40), tokens=80, mixed=8, rows=4, rounds=2, matrix=16)


def _rows(*lengths: int) -> list[np.ndarray]:
    return [np.full(length, 7 + index, dtype=np.uint16) for index, length in enumerate(lengths)]


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle in fp16."""
    return write_random_bundle(tmp_path_factory.mktemp("half"), TINY, "fp16")


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same in fp32."""
    return write_random_bundle(tmp_path_factory.mktemp("full"), TINY)


def test_a_bundle_in_half_precision_predicts_what_the_whole_one_does(half: Path) -> None:
    check = check_golden_examples(read_bundle(half), "cpu")
    assert check.passed, check.seen
    assert read_bundle(half).manifest.precision == "fp16"


def test_a_bundle_that_does_not_open_on_a_gpu_fails_the_check(full: Path) -> None:
    if not why_not():
        pytest.skip("there is a GPU")
    check = check_golden_examples(read_bundle(full), "cuda:0")
    assert not check.passed
    assert "CUDA did not start" in check.seen


def test_a_batch_is_compared_with_its_rows_alone(full: Path) -> None:
    assert check_alone(OnnxModel(read_bundle(full)), _rows(3, 17, 40)).passed


def test_memory_that_runs_out_is_survived(tmp_path: Path) -> None:
    row = np.array([1, 3], dtype=np.uint8)
    model = OnnxModel(read_bundle(write_hungry_bundle(tmp_path)))
    assert check_out_of_memory(model, [row] * 3).passed


def test_a_batch_that_fits_is_no_proof(tmp_path: Path) -> None:
    model = OnnxModel(read_bundle(write_toy_bundle(tmp_path)))
    assert not check_out_of_memory(model, [np.array([1, 3], dtype=np.uint8)] * 3).passed


def test_a_session_is_built_anew(full: Path) -> None:
    assert check_rebuilt(OnnxModel(read_bundle(full))).passed


def test_padding_is_counted() -> None:
    batches = as_they_come(_rows(2, 4, 3), 2)
    assert batches.tokens == 9
    assert batches.padding == pytest.approx(1 - 9 / 11)  # 2 x 4 and 1 x 3


def test_the_service_puts_like_lengths_together_and_loses_none() -> None:
    rows = _rows(2, 40, 2, 40)
    batches = as_the_service_forms_them(rows, BatchLimits(max_padding=0.2))
    assert [[len(row) for row in batch] for batch in batches.rows] == [[2, 2], [40, 40]]
    assert batches.padding == 0


def test_operations_are_those_worked_out_on_paper() -> None:
    # width 16, inner 32: 4 * 256 + 3 * 512 = 2,560 multiplications a token and layer; 3 tokens, 9 pairs of 2 * 16
    assert operations(TINY, _rows(3)) == 2 * 2 * (3 * 2560 + 2 * 16 * 9)


def test_the_share_of_the_device_follows_from_the_speed() -> None:
    speed = Speed(OURS, Batches("3 tokens", (tuple(_rows(3)),)), tokens_per_second=30.0, spread=0.0)
    assert matrix_share(speed, TINY, matrix_rate=operations(TINY, _rows(3)) * 100) == pytest.approx(0.1)


def test_fused_attention_predicts_what_the_model_does() -> None:
    model, feeder, _ = random_model(TINY)
    rows = _rows(5, 30)
    plain = torch_predict(model, feeder, torch.device("cpu"))(rows)
    fused = torch_predict(fuse_attention(model), feeder, torch.device("cpu"))(rows)
    np.testing.assert_allclose(fused, plain, atol=1e-5)


def test_both_engines_predict_the_same(full: Path) -> None:
    model, feeder, _ = random_model(TINY)
    rows = _rows(5, 30)
    ours = OnnxModel(read_bundle(full)).predict(rows)
    np.testing.assert_allclose(ours, torch_predict(model, feeder, torch.device("cpu"))(rows), atol=1e-5)


def test_every_engine_is_timed_on_every_set_of_batches(full: Path) -> None:
    speeds = list(time_engines(SCALE, full, "cpu", half=False, compiled=False))
    assert [(speed.engine, speed.batches.name) for speed in speeds] == [
        (engine, batches.name) for batches in batches_of(SCALE) for engine in (OURS, SDPA)
    ]
    assert all(speed.tokens_per_second > 0 for speed in speeds)
    text = page("a card", [check_golden_examples(read_bundle(full), "cpu")], speeds, TINY, 1e9)
    assert text.count("| ours (ONNX Runtime) |") == len(batches_of(SCALE))


def test_the_mixture_is_the_same_however_it_is_packed() -> None:
    padded, packed = batches_of(SCALE)[-2:]
    assert padded.tokens == packed.tokens
    assert packed.padding <= GPU_LIMITS.max_padding


def test_a_device_multiplies() -> None:
    assert matrix_rate(torch.device("cpu"), torch.float32, side=8, rounds=1) > 0


def test_without_a_gpu_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    if not why_not():
        pytest.skip("there is a GPU")
    with pytest.raises(typer.Exit) as raised:
        main(write=False)
    assert raised.value.exit_code == NO_GPU
    assert capsys.readouterr().err.count("\n") == 1
