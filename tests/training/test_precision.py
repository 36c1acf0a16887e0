"""Half precision is used where the device is fast at it, and its absence is said."""

import pytest
import torch

from training.precision import Precision, bf16_is_fast

CPU = torch.device("cpu")


def test_fp16_falls_back_to_fp32_on_a_cpu_and_says_so_in_one_line() -> None:
    precision = Precision.on(CPU, "fp16")

    assert precision.half is None
    assert precision.note == "fp16: emulated on this device (cpu), so fp32 is used"
    assert not precision.scaler().is_enabled()


def test_fp32_needs_no_note() -> None:
    assert Precision.on(CPU, "fp32") == Precision(CPU)


def test_bf16_is_used_where_it_is_fast() -> None:
    assert (Precision.on(CPU, "bf16").half is torch.bfloat16) == bf16_is_fast(CPU)
    assert bool(Precision.on(CPU, "bf16").note) != bf16_is_fast(CPU)


@pytest.mark.parametrize(("half", "expected"), [(None, torch.float32), (torch.bfloat16, torch.bfloat16)])
def test_products_inside_the_block_are_computed_in_it(half: torch.dtype | None, expected: torch.dtype) -> None:
    with Precision(CPU, half).autocast():
        product = torch.ones(2, 2) @ torch.ones(2, 2)

    assert product.dtype is expected


def test_only_fp16_needs_its_gradients_scaled() -> None:
    assert Precision(CPU, torch.float16).scaler().is_enabled()
    assert not Precision(CPU, torch.bfloat16).scaler().is_enabled()


def test_every_gpu_is_fast_at_fp16() -> None:
    assert Precision.on(torch.device("cuda"), "fp16") == Precision(torch.device("cuda"), torch.float16)
