"""A student learns its teachers' mean answer, blended with what was measured."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from tests.training.conftest import KilledAfter
from training.config import Config, read_config
from training.distillation import Distilled, StateMatcher, blend, synthesise
from training.examples import Examples, as_codes, as_text
from training.pipeline import Pipeline
from training.preparation import prepare
from training.recipe import DistillationConfig, TeacherConfig
from training.watching import Watcher

CPU = torch.device("cpu")
QUIET = Watcher(Console(quiet=True))
PLAIN = DistillationConfig(synthetic_sequences=50, largest_pieces=1, mutated_fraction=0, cropped_fraction=0)


def examples(*sequences: str) -> Examples:
    bases, lengths = as_codes(sequences)
    values = np.ones((len(sequences), 1), dtype=np.float32)
    return Examples(bases, lengths, values, values)


def synthetic(config: DistillationConfig, *sequences: str, seed: int = 0) -> list[str]:
    drawn = synthesise(examples(*sequences), 50, config, np.random.default_rng(seed))
    return as_text(drawn.bases, drawn.lengths)


def test_a_blend_is_the_weighted_mean_of_answer_and_measurement() -> None:
    measured = replace(
        examples("AC", "GT"),
        values=np.array([[1.0], [0.0]], dtype=np.float32),
        weights=np.array([[0.6], [0.0]], dtype=np.float32),
    )
    config = DistillationConfig(synthetic_sequences=1, teacher_weight=0.7, measured_weight=0.5)

    blended = blend(measured, np.array([[2.0], [3.0]], dtype=np.float32), config)

    # (0.7 * 2 + 0.3 * 1) / (0.7 + 0.3); the second row was not measured, so only the answer counts
    assert np.allclose(blended.values, [[1.7], [3.0]])
    assert blended.weights.tolist() == [[1.0], [1.0]]


def test_one_piece_is_a_training_row() -> None:
    assert set(synthetic(PLAIN, "ACGTACGT", "GGGGCCCC", "TTTT")) == {"ACGTACGT", "GGGGCCCC", "TTTT"}


def test_a_mosaic_is_made_of_pieces_of_rows_and_is_as_long_as_one() -> None:
    texts = synthetic(replace(PLAIN, largest_pieces=3), "AAAAAAAA", "CCCCCCCC", "GGGG")

    assert {len(text) for text in texts} == {4, 8}
    borders = [sum(left != right for left, right in pairwise(text)) for text in texts]
    assert max(borders) == 2


@pytest.mark.parametrize("seed", range(5))
def test_the_sequences_of_a_batch_are_cropped_to_one_length(seed: int) -> None:
    row = "ACGTTGCAACGGTCAT"

    texts = synthetic(replace(PLAIN, cropped_fraction=1.0, crop_min_bases=10), row, seed=seed)

    assert len({len(text) for text in texts}) == 1
    assert 10 <= len(texts[0]) <= 16
    assert all(text in row for text in texts)


def test_a_token_is_compared_with_the_mean_state_of_its_bases() -> None:
    matcher = StateMatcher(width=1, teacher_width=1, token_bases=np.array([0, 1, 2]))
    torch.nn.init.ones_(matcher.translate.weight)
    torch.nn.init.zeros_(matcher.translate.bias)
    teacher = torch.tensor([[[3.0], [5.0], [7.0]]])  # three bases
    ids = torch.tensor([[0, 2, 1, 0]])  # a special token, the first two bases, the third, padding
    student = torch.tensor([[[99.0], [4.0], [9.0], [99.0]]])

    assert matcher(student, ids, teacher).item() == pytest.approx(2.0)  # (0 + (9 - 7) ** 2) / 2


@pytest.fixture(params=[0.0, 1.0], ids=["answers", "states too"])
def taught(
    request: pytest.FixtureRequest, toy_toml: str, toy_token_toml: str, toy_data: Path, tmp_path: Path
) -> Pipeline:
    """A token student of two convolution teachers."""
    teacher, student = read(toy_toml, tmp_path), read(toy_token_toml, tmp_path)
    brief = replace(student.fit, epochs=2, augmentation=replace(student.fit.augmentation, mutation_rate=0.0))
    config = replace(
        student,
        fit=brief,
        teachers=tuple(TeacherConfig(seed, teacher.model, replace(teacher.fit, epochs=1)) for seed in (1, 2)),
        distillation=replace(PLAIN, state_weight=request.param),
    )
    return Pipeline(config, prepare(config, toy_data, tmp_path / "runs"), tmp_path / "runs")


def test_a_student_is_trained_after_its_teachers(taught: Pipeline) -> None:
    student = taught.fit(CPU, QUIET)

    assert sorted(path.name for path in taught.folder.iterdir() if path.is_dir()) == ["model", "teacher-1", "teacher-2"]
    assert not [name for name in student.state_dict() if "translate" in name]


@pytest.mark.parametrize("steps", [3, 17, 30])  # in the first teacher, in the student's first epoch, in its second
def test_a_killed_student_resumes_to_the_same_weights(taught: Pipeline, killed_after: KilledAfter, steps: int) -> None:
    whole = Pipeline(taught.config, taught.prepared, taught.folder.with_name("whole")).fit(CPU, QUIET).state_dict()

    with killed_after(steps):
        taught.fit(CPU, QUIET)
    resumed = taught.fit(CPU, QUIET).state_dict()

    assert all(torch.equal(weights, resumed[name]) for name, weights in whole.items())


def test_material_is_the_measured_rows_and_new_synthetic_ones(taught: Pipeline) -> None:
    taught.fit(CPU, QUIET)
    measured, teachers = taught.examples("train"), taught.teachers(CPU)
    material = Distilled(measured, teachers, PLAIN)

    batch = material.draw(np.array([0, len(measured)]), np.random.default_rng(0))

    values, _ = teachers.answer(batch.bases, batch.lengths)
    assert len(material) == len(measured) + 50
    assert np.array_equal(batch.bases[0], measured.bases[0])
    assert np.allclose(batch.values[1], values[1], atol=1e-6)
    assert not np.allclose(batch.values[0], values[0], atol=1e-6)


def test_teachers_answer_with_their_mean(taught: Pipeline) -> None:
    taught.fit(CPU, QUIET)
    both = taught.teachers(CPU)
    bases, lengths = as_codes(["ACGTACGTACGT", "ACGTACGTACGTACG"])

    values, states = both.answer(bases, lengths)

    alone = []
    for pair in both.models:
        both.models = [pair]
        alone.append(both.answer(bases, lengths)[0])
    assert np.allclose(values, (alone[0] + alone[1]) / 2, atol=1e-6)
    assert states.shape == (2, 15, 8)
    assert not states[0, 12:].any()


def read(toml: str, folder: Path) -> Config:
    path = folder / "toy.toml"
    path.write_text(toml)
    return read_config(path)
