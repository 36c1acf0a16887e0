"""What pictures show: the very values of an answer, the letters under them, and names where there is room."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import TableError
from app.genome.grouping import GenotypeGroups
from app.genome.variants import Variant
from app.pictures.genotypes import genotypes_figure
from app.pictures.mutagenesis import COLUMNS, MOST_ROWS, draw_mutagenesis, mutagenesis_figure, row_length
from app.pictures.variants import MOST_NAMED, variants_figure

TARGETS = [
    {"name": "one", "unit": "log2", "higher_means": "more"},
    {"name": "two", "unit": "1", "higher_means": "less"},
]


def document(reference: str = "AN", *, is_centred: bool = False) -> dict[str, Any]:
    row = [0.5, 0.75, 0.5, 0.0]
    return {
        "model": {"name": "toy", "targets": TARGETS},
        "positions": list(range(7, 7 + len(reference))),
        "reference": reference,
        "alphabet": "ACGT",
        "centred": is_centred,
        "reference_values": {"one": 0.5, "two": 0.0},
        "values": {"one": [row] * len(reference), "two": [row] * len(reference)},
    }


@pytest.mark.parametrize(("is_centred", "shown"), [(False, [0.0, 0.25, 0.0, -0.5]), (True, [0.5, 0.75, 0.5, 0.0])])
def test_a_heat_map_shows_differences_to_the_reference_or_centred_values(
    shown: list[float], *, is_centred: bool
) -> None:
    figure = mutagenesis_figure(document(is_centred=is_centred))
    image = figure.axes[0].images[0]
    assert image.get_array().T.tolist() == [shown, shown]
    low, high = image.get_clim()
    assert (low, high) == (-max(map(abs, shown)), max(map(abs, shown)))


def test_a_heat_map_has_the_letters_above_it_and_dots_in_their_cells() -> None:
    axes = mutagenesis_figure(document("GAN")).axes[0]
    assert [text.get_text() for text in axes.texts] == ["G", "A", "N"]
    assert axes.collections[0].get_offsets().tolist() == [[0, 2], [1, 0]]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["A", "C", "G", "T"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["7"]


def test_each_target_has_a_map_with_its_unit() -> None:
    figure = mutagenesis_figure(document())
    maps = [axes for axes in figure.axes if axes.images]
    labels = [axes.get_ylabel() for axes in figure.axes if axes not in maps]
    assert len(maps) == 2
    assert labels == ["effect of the substitution\n(log2)", "effect of the substitution\n(1)"]


def test_a_sequence_on_which_nothing_has_an_effect_can_be_drawn() -> None:
    flat = document("A")
    flat["values"] = {"one": [[0.5] * 4], "two": [[0.0] * 4]}
    assert mutagenesis_figure(flat).axes[0].images[0].get_clim() == (-1.0, 1.0)


def test_long_sequences_go_on_in_rows_of_one_length() -> None:
    maps = [axes for axes in mutagenesis_figure(document("A" * (COLUMNS + 1))).axes if axes.images]
    assert [axes.images[0].get_array().shape for axes in maps[:2]] == [(4, 41), (4, 40)]


@given(st.integers(1, 100_000))
def test_rows_are_few_and_hold_everything(positions: int) -> None:
    length = row_length(positions)
    rows = -(-positions // length)
    assert rows <= MOST_ROWS
    assert length <= COLUMNS or positions > COLUMNS * MOST_ROWS


def effects(count: int) -> list[dict[str, Any]]:
    return [
        {"variant": f"chr1:{position}:A>{'G' * position}", "difference": {"one": position - 2.0, "two": 0.0}}
        for position in range(1, count + 1)
    ]


def test_lollipops_stand_where_the_differences_are() -> None:
    figure = variants_figure("toy", TARGETS, effects(3))
    one, two = figure.axes
    assert one.collections[1].get_offsets().tolist() == [[-1, 0], [0, 1], [1, 2]]
    assert two.collections[1].get_offsets().tolist() == [[0, 0], [0, 1], [0, 2]]
    assert [label.get_text() for label in one.get_yticklabels()] == ["chr1:1:A>G", "chr1:2:A>GG", "chr1:3:A>GGG"]
    assert one.get_xlabel() == "alternate - reference (log2)\nright: more"


def test_long_names_are_cut_and_many_are_left_out() -> None:
    labels = variants_figure("toy", TARGETS[:1], effects(30)).axes[0].get_yticklabels()
    assert labels[-1].get_text() == "chr1:30:A>" + "G" * 15 + "..."
    assert list(variants_figure("toy", TARGETS[:1], effects(MOST_NAMED + 1)).axes[0].get_yticks()) == []


def test_more_targets_than_fit_side_by_side_go_on_below() -> None:
    targets = [TARGETS[0] | {"name": "one"}, *[TARGETS[1]] * 3]
    figure = variants_figure("toy", targets, effects(1))
    assert [axes.axison for axes in figure.axes] == [True] * 4 + [False] * 2


def people(told: dict[str, float]) -> dict[str, Any]:
    individuals = [{"sample": name, "values": {"one": value, "two": 0.0}} for name, value in told.items()]
    model = {"name": "toy", "targets": TARGETS}
    return {"model": model, "reference_values": {"one": 1.0, "two": 0.0}, "individuals": individuals}


GROUPS = GenotypeGroups(
    Variant("chr1", 1045, "A", "G" * 20), {"A/A": tuple("abcdef"), "A/G": ("g",)}, uncalled=2
)  # fmt: skip


def test_people_stand_over_their_genotype_and_a_box_where_there_are_enough() -> None:
    told = people({name: float(value) for value, name in enumerate("abcdefg")})
    figure = genotypes_figure(told, GROUPS, "the variant asked for")
    one, two = figure.axes
    dots = [dots.get_offsets().tolist() for dots in one.collections[::2]]
    assert [[height for _, height in each] for each in dots] == [[0, 1, 2, 3, 4, 5], [6]]
    assert all(abs(across - place) < 0.5 for place, each in enumerate(dots) for across, _ in each)
    assert [label.get_text() for label in one.get_xticklabels()] == ["A/A\nn = 6", "A/G\nn = 1"]
    medians = [line.get_segments()[0][:, 1].tolist() for line in one.collections[1::2]]
    assert medians == [[2.5, 2.5], [6, 6]]
    boxes = [line for line in one.lines if len(line.get_xdata()) == 5]
    assert len(boxes) == 1
    assert (one.get_ylabel(), two.get_ylabel()) == ("predicted, log2\nup: more", "predicted, 1\nup: less")


def test_the_title_says_which_variant_and_how_it_was_chosen() -> None:
    figure = genotypes_figure(people(dict.fromkeys("abcdefg", 1.0)), GROUPS, "the variant asked for")
    assert figure.get_suptitle() == f"toy: people by genotype at chr1:1,045 A>{'G' * 9}...\nthe variant asked for"
    assert figure.get_supxlabel() == "2 without a call there are left out"


def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="No such file or directory"):
        draw_mutagenesis(document(), tmp_path / "none" / "map.png")
