"""People's predictions by their genotype at one variant: a dot a person, and a box for each genotype with enough."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from app.genome.grouping import GenotypeGroups
from app.pictures.canvas import QUIET, blank, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Document = Mapping[str, Any]

COLOURS = ("#4477aa", "#ccbb44", "#aa3377", "#228833", "#66ccee", "#ee6677")  # told apart by the colour-blind too
PANELS = 3  # side by side
INCHES_A_GROUP, INCHES_A_PANEL, LEAST_INCHES = 0.9, 3.4, 5.0
BOX_WIDTH, JITTER = 0.55, 0.19
LEAST_IN_A_BOX = 5  # fewer have their dots and their median
JITTER_SEED = 0
MOST_LETTERS = 12


def draw_genotypes(document: Document, groups: GenotypeGroups, chosen: str, path: Path) -> None:
    """Draw the answer of POST /predict/individual over one window into a file.

    Args:
        chosen: how the variant was, in words.

    Raises:
        TableError: it cannot be drawn or written.
    """
    save(genotypes_figure(document, groups, chosen), path)


def genotypes_figure(document: Document, groups: GenotypeGroups, chosen: str) -> Figure:
    """The answer of POST /predict/individual, a panel a target.

    Raises:
        TableError: matplotlib is not installed.
    """
    targets = [each for each in document["model"]["targets"] if each["name"] in document["reference_values"]]
    columns = min(len(targets), PANELS)
    rows = -(-len(targets) // columns)
    width = max(columns * (INCHES_A_GROUP * max(len(groups.samples_of), 2) + 1.1), LEAST_INCHES)
    figure = blank(width, rows * INCHES_A_PANEL + 0.8)
    figure.suptitle(f"{document['model']['name']}: people by genotype at {_place(groups)}\n{chosen}", fontsize=9)
    panels = figure.subplots(rows, columns, squeeze=False)
    for axes in panels.flat[len(targets) :]:
        axes.set_axis_off()
    for axes, target in zip(panels.flat, targets, strict=False):
        _draw_target(axes, document, groups, target)
    if groups.uncalled:
        figure.supxlabel(f"{groups.uncalled:,} without a call there are left out", fontsize=8, color=QUIET)
    return figure


def _draw_target(axes: Axes, document: Document, groups: GenotypeGroups, target: Mapping[str, str]) -> None:
    value_of = {each["sample"]: each["values"][target["name"]] for each in document["individuals"]}
    told = [[value_of[sample] for sample in samples] for samples in groups.samples_of.values()]
    reference = document["reference_values"][target["name"]]
    axes.axhline(reference, color=QUIET, linewidth=0.8, linestyle=(0, (4, 3)), zorder=0)
    axes.annotate("reference", (1, reference), xycoords=("axes fraction", "data"), xytext=(2, 0),
                  textcoords="offset points", va="center", rotation=90, fontsize=7, color=QUIET)  # fmt: skip
    _draw_groups(axes, told)
    names = [f"{name}\nn = {len(values):,}" for name, values in zip(groups.samples_of, told, strict=True)]
    axes.set_xticks(range(len(names)), names, fontsize=8)
    axes.set_xlim(-0.6, max(len(names), 2) - 0.4)
    axes.set_title(target["name"], fontsize=9)
    axes.set_ylabel(f"predicted, {target['unit']}\nup: {target['higher_means']}", fontsize=8)
    axes.tick_params(axis="y", labelsize=8)
    axes.grid(axis="y", color="#e5e5e5", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _draw_groups(axes: Axes, told: Sequence[Sequence[float]]) -> None:
    boxed = [place for place, values in enumerate(told) if len(values) >= LEAST_IN_A_BOX]
    if boxed:
        axes.boxplot(
            [told[place] for place in boxed], positions=boxed, widths=BOX_WIDTH, showfliers=False, manage_ticks=False,
            boxprops={"color": "#444444"}, medianprops={"linewidth": 0}, whiskerprops={"color": "#444444"},
            capprops={"color": "#444444"},
        )  # fmt: skip
    generator = np.random.default_rng(JITTER_SEED)
    for place, values in enumerate(told):
        across = place + generator.uniform(-JITTER, JITTER, len(values))
        axes.scatter(across, values, s=12, color=COLOURS[place % len(COLOURS)], alpha=0.6, linewidths=0, zorder=3)
        half = BOX_WIDTH / 2
        axes.hlines(float(np.median(values)), place - half, place + half, color="black", linewidth=1.6, zorder=4)


def _place(groups: GenotypeGroups) -> str:
    variant = groups.variant
    alleles = [
        bases if len(bases) <= MOST_LETTERS else f"{bases[: MOST_LETTERS - 3]}..."
        for bases in (variant.reference_bases, variant.alternate_bases)
    ]
    return f"{variant.contig}:{variant.position:,} {'>'.join(alleles)}"
