"""Published figures stand beside ours, with their source and what may be compared."""

from pathlib import Path

import pytest

from training.errors import ConfigError
from training.report.published import published_for, read_published
from training.report.tables import markdown_table, published_table


def test_published_figures_stand_beside_those_of_their_data_set() -> None:
    entries = read_published()

    found = published_for("utrseq-zebrafish-3utr", ["half_log2_change_6h_1h"], entries)

    assert {entry.figures["r2"] for entry in found} == {"0.457", "0.174", "0.178"}
    assert all(entry.source and entry.comparable for entry in entries)
    assert published_for("utrseq-zebrafish-3utr", ["log2_change_8h_2h"], entries) == []
    assert published_for("toy", ["half_log2_change_6h_1h"], entries) == []


def test_a_published_figure_without_a_source_is_refused(tmp_path: Path) -> None:
    (tmp_path / "published.toml").write_text('[[published]]\nfolder = "toy"\n')

    with pytest.raises(ConfigError, match=r"published\.toml: missing 5 required"):
        read_published(tmp_path / "published.toml")


def test_a_bar_in_a_cell_does_not_end_it() -> None:
    assert markdown_table(["a|b"], [["c"]]) == "| a\\|b |\n| --- |\n| c |"


def test_published_figures_are_shown_as_printed() -> None:
    (dexter,) = published_for("plasmodium-falciparum-promoter", ["any"], read_published())

    table = published_table([dexter])

    assert "| DExTER | P. falciparum time courses | Pearson above 0.70 |" in table
