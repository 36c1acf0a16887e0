"""Throughput of every server as a share of bare ONNX Runtime's, as a picture."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.peers.figures import Measured, Who, fullest
from benchmarks.peers.plan import Load

OURS, PEERS, BARE = "#2a6f97", "#c9ced6", "#8a1c3b"


def draw(workloads: Sequence[Measured], path: Path) -> None:
    """One panel a model, under the load with the most callers."""
    shown = [measured for measured in workloads if measured.of(fullest(measured.workload))]
    rows = max((len(measured.of(fullest(measured.workload))) for measured in shown), default=0)
    figure = Figure(figsize=(5.4 * max(1, len(shown)), 4.6), layout="constrained")
    for axes, measured in zip(figure.subplots(1, max(1, len(shown)), squeeze=False)[0], shown, strict=False):
        _panel(axes, measured, fullest(measured.workload))
        highest = len(axes.patches) - 0.4
        axes.set_ylim(highest - rows - 0.2, highest)  # bars are as thick in every panel
    figure.supxlabel("tokens a second, of bare ONNX Runtime's; each dot is a round", fontsize=10)
    figure.savefig(path, dpi=110)


def shares(measured: Measured, load: Load) -> dict[Who, list[float]]:
    """Tokens a second of bare ONNX Runtime's in the same round, the lowest server first."""
    tokens = statistics.mean(measured.tokens[load.mixture.name])
    bare = [each.per_second * tokens for each in measured.bare_of(load)]
    found = {
        who: [run.tokens_per_second / rate for run, rate in zip(runs, bare, strict=False)]
        for who, runs in measured.of(load).items()
    }
    return dict(sorted(found.items(), key=lambda pair: statistics.median(pair[1])))


def _panel(axes: Axes, measured: Measured, load: Load) -> None:
    found = shares(measured, load)
    heights = [statistics.median(each) for each in found.values()]
    axes.barh([who.name for who in found], heights, color=[OURS if who.is_ours else PEERS for who in found])
    for row, each in enumerate(found.values()):
        axes.plot(each, [row] * len(each), "o", color="black", markersize=3, clip_on=False)
        beside_the_panel = axes.get_yaxis_transform()
        axes.text(1.02, row, f"{heights[row]:.2f}", va="center", fontsize=9, transform=beside_the_panel)
    axes.axvline(1, color=BARE, linewidth=1)
    axes.set_xlim(0, 1.02 * max(1, *(share for each in found.values() for share in each)))
    axes.set_title(f"{measured.workload.name}\n{load.name}", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
