"""What is prepared is what every later step may rely on."""

from dataclasses import replace
from pathlib import Path

import pytest

from training.config import read_config
from training.errors import DataError
from training.preparation import prepare


def test_a_row_that_the_bundle_would_not_accept_is_named_before_anything_is_trained(
    toy_toml: str, toy_data: Path, tmp_path: Path
) -> None:
    (tmp_path / "toy.toml").write_text(toy_toml)
    config = read_config(tmp_path / "toy.toml")
    longer = replace(config, bundle=replace(config.bundle, min_bases=39))

    with pytest.raises(DataError, match=r"row \S+ has \d+ bases; \S+ accepts 39 to 40 \(bundle.min_bases"):
        prepare(longer, toy_data, tmp_path / "run")
    assert not (tmp_path / "run").exists()
