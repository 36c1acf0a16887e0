"""Test figures of a bundle in 8 bits, taken on the rows that it was tested on in single precision."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from app.bundle import Manifest, Score
from training.datasets.table import Floats
from training.errors import DataError
from training.evaluate import THIS_BUNDLE, predictions_of
from training.predictions import Answer
from training.quantisation.material import Material
from training.scoring import scores_of

IN_FP32 = "in fp32"

Measured = tuple[str, str, str]  # target, split and subset


def scores_in_8_bits(manifest: Manifest, material: Material, quantised: Floats, single: Floats) -> tuple[Score, ...]:
    """The quantised bundle's figures, beside those of the bundle in single precision and of what it was scored beside.

    Args:
        manifest: of the bundle in single precision.
        material: its test rows.
        quantised, single: (rows, targets), what was answered for them in 8 bits and in single precision.

    Raises:
        DataError: the rows are others than those that the bundle was tested on.
    """
    config = material.config
    answers = [Answer(THIS_BUNDLE, "", quantised), Answer(IN_FP32, "", single)]
    predictions = predictions_of(material.test, config, answers)
    taken = scores_of(predictions, f"test, {config.split.description}", config.evaluation.seed)
    again = {_measure(score): score for score in taken if score.model == IN_FP32}
    if material.table_sha256 != manifest.provenance.data_sha256:
        _refuse_other_rows(manifest, again)
    before = scores_of_fp32(manifest.scores)
    return (*taken, *(score for score in before if score.model != IN_FP32 or _measure(score) not in again))


def _refuse_other_rows(manifest: Manifest, again: Mapping[Measured, Score]) -> None:
    """Rows that another table holds out may be among those that the bundle was trained on.

    Tables that differ in a word have different digests, so it is the figures that must be the same.
    """
    before = {_measure(score): score for score in manifest.scores if score.model == THIS_BUNDLE}
    both = [(before[key], score) for key, score in again.items() if key in before]
    if not both or not all(_is_repeated(*pair) for pair in both):
        raise DataError(
            f"{manifest.name} has other figures on these test rows than its manifest says, so it was trained on "
            "another table; name the configuration that it was trained with, and prepare that"
        )


def _is_repeated(before: Score, again: Score) -> bool:
    errors = (score.metrics["mse"].value for score in (before, again))
    return before.rows == again.rows and math.isclose(*errors, rel_tol=1e-3)


def _measure(score: Score) -> Measured:
    return score.target, score.split, score.subset


def scores_of_fp32(scores: Sequence[Score]) -> tuple[Score, ...]:
    """Figures that were not taken again: the bundle's own are called those in fp32, and nobody's lead is kept."""
    return tuple(
        score.model_copy(update={"model": IN_FP32 if score.model == THIS_BUNDLE else score.model, "difference": {}})
        for score in scores
    )
