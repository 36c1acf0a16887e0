"""A DNABERT-2 of the toy's, wide enough for its products to be quantised."""

from pathlib import Path

import pytest

WIDE = """
[tokenizer]
vocabulary = 32

[model]
backbone = "dnabert2"
width = 32
layers = 2
heads = 2
inner_width = 32

[fit]
epochs = 2
batch = 16
learning_rate = 0.01
"""


@pytest.fixture(scope="package")
def wide_config(toy_head: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("configs") / "toy.toml"
    path.write_text(toy_head + WIDE)
    return path
