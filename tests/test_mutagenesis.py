"""Saturation mutagenesis: which sequences are predicted, and where their values stand."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.chunks import Errand
from app.errors import Unprocessable
from app.genome.intervals import Interval, Strand
from app.genome.letters import reverse_complement
from app.genome.stretch import whole
from app.main import Service
from app.mutagenesis import (
    ALPHABET,
    Mutagenesis,
    Sweep,
    centred,
    check_size,
    mutagenesis,
    sweep_interval,
    sweep_sequence,
)
from app.predictor import Predictions, Predictor, RequestLimits
from app.served_models import ServedModel


def interval_sweep(
    contig: str, start: int, end: int, strand: Strand = "+", part: tuple[int, int] | None = None
) -> Sweep:
    window = Interval("c", start, end, strand)
    return sweep_interval(whole("c", contig.encode()), window, window, *(part or (None, None)))


async def predicted(service: Service, sweep: Sweep, model: str = "gc") -> Mutagenesis:
    errand = Errand(model, time.monotonic() + 60, "bulk", None, lambda _: "/sequence")
    return await mutagenesis(service.predictor, sweep, errand)


def test_each_substitution_is_one_sequence_by_position_and_then_by_base() -> None:
    assert list(sweep_sequence("AC", None, None).mutated()) == ["CC", "GC", "TC", "AA", "AG", "AT"]


def test_only_the_part_is_changed() -> None:
    sweep = sweep_sequence("AAC", 2, 3)
    assert (list(sweep.positions), sweep.reference) == ([2], "C")
    assert list(sweep.mutated()) == ["AAA", "AAG", "AAT"]
    assert sweep.sequences == 4


def test_rna_and_lower_case_are_told_as_the_model_reads_them() -> None:
    sweep = sweep_sequence("gu", None, None)
    assert (sweep.unchanged(), sweep.reference) == ("gu", "GT")
    assert list(sweep.mutated())[:3] == ["AT", "CT", "TT"]


def test_at_a_base_that_is_not_known_all_four_are_substitutions() -> None:
    sweep = sweep_sequence("N", None, None)
    assert list(sweep.mutated()) == ["A", "C", "G", "T"]
    assert sweep.sequences == 5


def test_an_interval_has_the_positions_of_the_contig() -> None:
    sweep = interval_sweep("AACCGG", 2, 6, part=(4, 5))
    assert (list(sweep.positions), sweep.reference, sweep.unchanged()) == ([4], "G", "CCGG")
    assert list(sweep.mutated()) == ["CCAG", "CCCG", "CCTG"]


def test_the_minus_strand_is_read_turned_and_told_on_the_plus_strand() -> None:
    sweep = interval_sweep("AACCGG", 0, 4, "-", part=(0, 1))
    assert (sweep.unchanged(), sweep.reference) == ("GGTT", "A")
    assert list(sweep.mutated()) == ["GGTG", "GGTC", "GGTA"]  # A to C, G, T


@pytest.mark.parametrize(
    ("start", "end", "pointer"),
    [(4, None, "/start"), (-1, 2, "/start"), (1, 5, "/end"), (2, 2, "/end"), (2, 1, "/end")],
)
def test_a_part_outside_is_refused(start: int, end: int | None, pointer: str) -> None:
    with pytest.raises(Unprocessable) as refused:
        sweep_sequence("ACGT", start, end)
    assert [(item.pointer, item.code) for item in refused.value.items] == [(pointer, "invalid_value")]


@pytest.mark.parametrize(
    ("limits", "largest", "code"),
    [
        (RequestLimits(2, 10_000), "ACGTA", "too_many"),  # 16 sequences
        (RequestLimits(4096, 22), "ACGTACG", "too_long"),  # 22 sequences of 7 bases are 154; 25 of 8 are 200
    ],
)
def test_one_sweep_is_worth_at_most_eight_requests(limits: RequestLimits, largest: str, code: str) -> None:
    check_size(sweep_sequence(largest, None, None), limits, "/sequence")
    with pytest.raises(Unprocessable) as refused:
        check_size(sweep_sequence(largest + "A", None, None), limits, "/sequence")
    assert [(item.pointer, item.code) for item in refused.value.items] == [("/sequence", code)]


async def test_the_reference_s_base_has_the_reference_s_value(service: Service) -> None:
    async with service.running():
        found = await predicted(service, sweep_sequence("GA", None, None))
    assert found.reference_values == [0.5]
    assert found.values[:, :, 0].tolist() == [[0, 0.5, 0.5, 0], [0.5, 1, 1, 0.5]]


async def test_the_unchanged_sequence_is_refused_before_anything_else_is_made(service: Service) -> None:
    async with service.running():
        with pytest.raises(Unprocessable) as refused:
            await predicted(service, sweep_sequence("GA!", None, None))
    (item,) = refused.value.items
    assert (item.pointer, item.code, item.position) == ("/sequence", "invalid_base", 2)


async def test_all_targets_are_told(service: Service) -> None:
    async with service.running():
        found = await predicted(service, sweep_sequence("A", None, None), "mean-id")
    assert found.values.shape == (1, 4, 2)
    np.testing.assert_allclose(found.values[0, :, 1], [(3 + base) / 3 + 10 for base in (4, 5, 6, 7)], rtol=1e-6)


def test_centred_substitutions_add_up_to_nothing_and_the_reference_s_base_is_0() -> None:
    values = np.array([[1.0, 2, 4, 6], [5, 5, 5, 9]])[:, :, np.newaxis]
    substituted = np.array([[False, True, True, True], [True, True, True, True]])
    assert centred(values, substituted)[:, :, 0].tolist() == [[0, -2, 0, 2], [-1, -1, -1, 3]]


class Weighing:
    """A fake predictor to which every base at every place matters: the sum of place times letter."""

    limits = RequestLimits()

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def predict_part(self, name: str, sequences: Sequence[str], *_: object) -> Predictions:
        self.asked += sequences
        lengths = [len(sequence) for sequence in sequences]
        seconds = dict.fromkeys(("tokenize", "queue", "compute"), 0.0)
        values = [[weight(sequence)] for sequence in sequences]
        return Predictions(cast("ServedModel", None), lengths, lengths, values, seconds)


def weight(sequence: str) -> float:
    return sum(place * ord(letter) for place, letter in enumerate(sequence, start=1))


@given(
    data=st.data(), sequence=st.text("ACGTN", min_size=1, max_size=200), strand=st.sampled_from("+-")
)  # up to 801 sequences, which are several chunks
def test_every_cell_is_what_its_sequence_alone_is_predicted(data: st.DataObject, sequence: str, strand: Strand) -> None:
    start = data.draw(st.integers(0, len(sequence) - 1))
    end = data.draw(st.integers(start + 1, len(sequence)))
    predictor = Weighing()
    sweep = interval_sweep(sequence, 0, len(sequence), strand, part=(start, end))
    errand = Errand("gc", 0.0, "bulk", None, lambda _: "")
    found = asyncio.run(mutagenesis(cast("Predictor", predictor), sweep, errand))
    for row, position in enumerate(range(start, end)):
        for column, base in enumerate(ALPHABET):
            text = sequence[:position] + base + sequence[position + 1 :]
            read = text if strand == "+" else reverse_complement(text.encode()).decode()
            assert found.values[row, column, 0] == weight(read)
    assert len(predictor.asked) == len(set(predictor.asked)) == sweep.sequences
