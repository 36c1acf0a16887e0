"""The head: what it knows of genes, and that the graph answers what was trained."""

from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from tests.training.personal.windows import GENES, PEOPLE, SEGMENTS, VARIED, WIDTH, made_up_data
from training.errors import DataError
from training.personal.config import read_personal_config
from training.personal.fit import FittedHead, PersonalData, Split, fit_head
from training.personal.graphs import HeadGraph
from training.personal.landmarks import landmarks_of
from training.watching import Watcher

EVERYBODY = np.arange(PEOPLE)


@pytest.fixture
def fitted(config_file: Path) -> FittedHead:
    split = Split(EVERYBODY, EVERYBODY[:0], np.arange(GENES))
    return fit_head(read_personal_config(config_file), made_up_data(), split, Watcher(Console(quiet=True)), epochs=4)


def haplotypes(data: PersonalData, gene: int) -> torch.Tensor:
    """(people * 2, segments, width)."""
    return torch.from_numpy(data.embeddings[data.rows[gene]].reshape(-1, SEGMENTS, WIDTH))


def test_only_segments_in_which_people_differ_are_read() -> None:
    data = made_up_data()
    found = landmarks_of(data.embeddings, data.rows, data.reference_rows)
    assert found.read.tolist() == [[VARIED], [VARIED]]
    differences = haplotypes(data, 0)[:, VARIED].numpy() - found.references[0, VARIED]
    standardised = (differences - found.means[0, 0]) * found.scales[0, 0]
    # Every channel has mean 0 and a variance of one eighth, so that a segment's channels have 1 together.
    assert np.allclose(standardised.mean(axis=0), 0, atol=1e-5)
    assert np.allclose(standardised.var(axis=0), 1 / WIDTH, rtol=1e-4)


def test_people_who_do_not_differ_teach_nothing() -> None:
    data = made_up_data()
    with pytest.raises(DataError, match="nobody differs from the reference"):
        landmarks_of(data.embeddings, np.repeat(data.rows[:, :1, :1] * 0, 2, axis=2), data.reference_rows * 0)


def test_the_graph_finds_the_gene_and_answers_what_was_trained(fitted: FittedHead) -> None:
    graph, data = HeadGraph(fitted).eval(), fitted.data
    expected = fitted.predict(EVERYBODY)
    assert expected[:, 0].std() > 0.1
    with torch.no_grad():
        for gene in range(GENES):
            values = graph(haplotypes(data, gene)).numpy().reshape(PEOPLE, 2).mean(axis=1)
            assert np.allclose(values, expected[:, gene], atol=1e-5)
        # A batch of both genes, which read different segments of different references.
        mixed = torch.cat([haplotypes(data, 0)[:1], haplotypes(data, 1)[:1]])
        alone = torch.cat([graph(row[None]) for row in mixed])
        assert torch.allclose(graph(mixed), alone, atol=1e-6)


def test_rounding_of_another_machine_changes_nothing(fitted: FittedHead) -> None:
    graph, windows = HeadGraph(fitted).eval(), haplotypes(fitted.data, 0)
    rounded = windows + 1e-6 * torch.randn(windows.shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.allclose(graph(rounded), graph(windows), atol=2e-3)


def test_a_window_of_no_known_gene_is_answered_with_the_mean(fitted: FittedHead) -> None:
    graph = HeadGraph(fitted).eval()
    with torch.no_grad():
        values = graph(torch.randn(3, SEGMENTS, WIDTH, generator=torch.Generator().manual_seed(1)))
    assert torch.allclose(values, fitted.head.means.mean().expand(3, 1))
