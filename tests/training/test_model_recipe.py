"""A network is described by sizes that go together."""

from typing import Any

import pytest

from training.errors import ConfigError
from training.recipe import ModelConfig

TRANSFORMER: dict[str, Any] = {"width": 12, "layers": 2, "heads": 3, "inner_width": 16}


@pytest.mark.parametrize("positions", [0, -1])
def test_a_model_has_positions(positions: int) -> None:
    with pytest.raises(ConfigError, match=r"model\.positions must be at least 1"):
        ModelConfig("bert", **TRANSFORMER, positions=positions)


def test_tokens_of_the_other_strand_cannot_be_made_in_a_graph() -> None:
    with pytest.raises(ConfigError, match=r"use fit\.augmentation\.reverse_complement_probability"):
        ModelConfig("dnabert2", **TRANSFORMER, reverse_complement_averaged=True)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"width": 84}, "there are 340 k-mers"),
        ({"pooling": "mean"}, "pooling by bins"),
        ({"window_bases": 0}, "window"),
    ],
)
def test_a_network_over_kmers_says_what_it_counts(wrong: dict[str, Any], named: str) -> None:
    right: dict[str, Any] = {"width": 340, "window_bases": 40, "pooling": "bins", "pooling_bins": 4}

    assert ModelConfig("kmers", **right).pooled_positions == 4
    with pytest.raises(ConfigError, match=named):
        ModelConfig("kmers", **(right | wrong))
