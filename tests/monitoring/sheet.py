"""Every panel of the committed dashboards drawn again from what Prometheus answers: what an operator would see.

Grafana's own pictures need Grafana. These have its grid, units, thresholds and legends, so that a person can look
whether each panel says something.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tests.monitoring.dashboards import Drawn
from tests.monitoring.prometheus import SCRAPE_SECONDS, Series

Answers = Mapping[str, Sequence[tuple[str, list[Series]]]]  # panel → for each query its legend and series

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#aa4499", "#e69f00", "#56b4e9", "#882255", "#555555")
LEVELS = {"green": "#2b9f5f", "orange": "#e6921e", "red": "#cc3311"}
INK, GREY = "#222222", "#8a8a8a"
COLUMNS, COLUMN_INCHES, ROW_INCHES = 24, 0.52, 0.21
DOTS_PER_INCH = 75
MOST_NAMES = 6


def draw(file: Mapping[str, Any], panels: Sequence[Drawn], answers: Answers, began: float) -> Figure:
    """One dashboard's panels at their places.

    Args:
        file: the dashboard.
        panels: its panels.
        answers: to their queries, by panel.
        began: what the time axis counts from.
    """
    rows = max(it.json["gridPos"]["y"] + it.json["gridPos"]["h"] for it in panels) + 2
    figure = Figure(figsize=(COLUMNS * COLUMN_INCHES, rows * ROW_INCHES), dpi=DOTS_PER_INCH, facecolor="white")
    figure.text(0.01, 1 - 0.8 / rows, file["title"], size=15, weight="bold", color=INK, va="center")
    figure.text(0.99, 1 - 0.8 / rows, "time in seconds", size=8, color=GREY, va="center", ha="right")
    for heading in (it for it in file["panels"] if it["type"] == "row"):
        y = 1 - (2 + heading["gridPos"]["y"] + 0.5) / rows
        figure.text(0.01, y, heading["title"], size=10, weight="bold", color=GREY, va="center")
    for panel in panels:
        _panel(_place(figure, panel, rows), panel, answers[str(panel)], began)
    return figure


def _place(figure: Figure, panel: Drawn, rows: int) -> Axes:
    grid = panel.json["gridPos"]
    left, width = (grid["x"] + 1.3) / COLUMNS, (grid["w"] - 1.7) / COLUMNS
    top, height = 2 + grid["y"] + 1.3, grid["h"] - (3.6 if panel.kind == "timeseries" else 2.6)
    return figure.add_axes((left, 1 - (top + height) / rows, width, height / rows))


def _panel(axes: Axes, panel: Drawn, answers: Sequence[tuple[str, list[Series]]], began: float) -> None:
    axes.set_title(panel.title, loc="left", size=10, color=INK, pad=3)
    axes.tick_params(labelsize=7, color=GREY, labelcolor=INK, length=2)
    for spine in ("top", "right"):
        axes.spines[spine].set_visible(False)
    for spine in ("left", "bottom"):
        axes.spines[spine].set_color(GREY)
    DRAWN[panel.kind](axes, panel, answers, began)


def _timeseries(axes: Axes, panel: Drawn, answers: Sequence[tuple[str, list[Series]]], began: float) -> None:
    field = panel.json["fieldConfig"]["defaults"]
    stacked = field["custom"]["stacking"]["mode"] == "normal"
    named = [(name(legend, series.labels), series) for legend, many in answers for series in many]
    named.sort(key=lambda it: -float(np.nansum(it[1].values)))
    below: dict[float, float] = {}
    for (label, series), colour in zip(named, _colours(len(named)), strict=True):
        seconds, values = series.times - began, _with_gaps(series)
        if stacked:
            floor = np.array([below.get(time, 0.0) for time in series.times])
            values = np.nan_to_num(values) + floor
            below.update(zip(series.times, values, strict=True))
            axes.fill_between(seconds, floor, values, color=colour, alpha=0.35, linewidth=0)
        marker = "." if len(seconds) == 1 else ""
        axes.plot(seconds, values, color=colour, linewidth=1.1, marker=marker, label=label)
    _limits(axes, field)
    _thresholds(axes, field)
    axes.yaxis.set_major_formatter(lambda value, _: spelled(value, field["unit"]))
    axes.locator_params(axis="y", nbins=4)
    _legend(axes)


def _legend(axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    if len(labels) > MOST_NAMES:
        handles, labels = handles[:MOST_NAMES], [*labels[: MOST_NAMES - 1], f"and {len(labels) - MOST_NAMES + 1} more"]
    axes.legend(handles, labels, fontsize=6.5, loc="upper left", bbox_to_anchor=(-0.02, -0.16), ncols=3, frameon=False,
                handlelength=1, columnspacing=1, handletextpad=0.4, borderaxespad=0, labelspacing=0.2)  # fmt: skip


def _with_gaps(series: Series) -> npt.NDArray[np.float64]:
    """The values; where one is missing the next is left out too, so that no line is drawn over what nobody measured."""
    follows_gap = np.diff(series.times, prepend=series.times[:1]) > 1.5 * SCRAPE_SECONDS
    return np.where(follows_gap, np.nan, series.values)


def _colours(count: int) -> list[str]:
    return [COLOURS[index % len(COLOURS)] for index in range(count)]


def _limits(axes: Axes, field: Mapping[str, Any]) -> None:
    low, high = axes.get_ylim()
    low = field.get("min", low)
    high = field.get("max", high if high > low else low + 1)
    axes.set_ylim(low - 0.03 * (high - low), high)  # so that a line at the lowest is seen


def _thresholds(axes: Axes, field: Mapping[str, Any]) -> None:
    low, high = axes.get_ylim()
    steps = field["thresholds"]["steps"]
    for before, step in pairwise(steps):
        if low < step["value"] < high:
            colour = max(before["color"], step["color"], key=list(LEVELS).index)  # of its worse side
            axes.axhline(step["value"], color=LEVELS[colour], linewidth=0.9, linestyle=(0, (4, 3)))


def _stat(axes: Axes, panel: Drawn, answers: Sequence[tuple[str, list[Series]]], _: float) -> None:
    field = panel.json["fieldConfig"]["defaults"]
    shown = [(name(legend, it.labels), last(it)) for legend, many in answers for it in many if last(it) is not None]
    axes.axis("off")
    if not shown:
        axes.text(0.5, 0.5, field["noValue"], ha="center", va="center", color=GREY)
    for index, (label, value) in enumerate(shown):
        assert value is not None
        y = 1 - (index + 0.5) / len(shown)
        colour = LEVELS[level(value, field["thresholds"]["steps"])]
        size = 15 if len(shown) == 1 else 8
        box = {"boxstyle": "round,pad=0.35", "facecolor": colour, "edgecolor": "none"}
        x = 0.08 if len(shown) == 1 else 0.5
        axes.text(x, y, spelled(value, field["unit"]), ha="left", va="center", size=size, color="white", bbox=box)
        axes.text(0.44, y, label if len(shown) > 1 else "", ha="right", va="center", size=7, color=INK)


def _heatmap(axes: Axes, panel: Drawn, answers: Sequence[tuple[str, list[Series]]], began: float) -> None:
    ordered = sorted((it for _, many in answers for it in many), key=lambda it: float(it.labels["le"]))
    times = sorted({time for it in ordered for time in it.times})
    table = np.zeros((len(ordered), len(times)))
    for row, series in enumerate(ordered):
        table[row, np.searchsorted(times, series.times)] = np.nan_to_num(series.values)
    counts = np.diff(table, axis=0, prepend=0)
    axes.imshow(np.sqrt(np.clip(counts, 0, None)), aspect="auto", origin="lower", cmap="Blues", interpolation="nearest",
                extent=(times[0] - began, times[-1] - began, -0.5, len(ordered) - 0.5))  # fmt: skip
    unit = panel.json["options"]["yAxis"]["unit"]
    places = range(0, len(ordered), max(1, len(ordered) // 6))
    axes.set_yticks(list(places), [f"≤ {spelled(float(ordered[it].labels['le']), unit)}" for it in places])


def _table(axes: Axes, panel: Drawn, answers: Sequence[tuple[str, list[Series]]], _: float) -> None:
    hidden = panel.json["transformations"][0]["options"]["excludeByName"]
    axes.axis("off")
    lines = [_told(series.labels, hidden) for _legend, many in answers for series in many]
    lines = sorted(lines)[:9]
    axes.text(0, 1, "\n".join(lines), va="top", size=7, color=INK, family="monospace", linespacing=1.5)


def _told(labels: Mapping[str, str], hidden: Mapping[str, bool]) -> str:
    return "  ".join(text[:28] for label, text in sorted(labels.items()) if label not in hidden)


DRAWN = {"timeseries": _timeseries, "stat": _stat, "heatmap": _heatmap, "table": _table}


def name(legend: str, labels: Mapping[str, str]) -> str:
    """A series as the legend calls it."""
    for label, text in labels.items():
        legend = legend.replace(f"{{{{{label}}}}}", text.removeprefix("127.0.0.1"))
    return legend


def last(series: Series) -> float | None:
    """The last value that there is."""
    there = series.values[~np.isnan(series.values)]
    return float(there[-1]) if len(there) else None


def level(value: float, steps: Sequence[Mapping[str, Any]]) -> str:
    """The colour of a value."""
    return str([it["color"] for it in steps if it["value"] is None or value >= it["value"]][-1])


def spelled(value: float, unit: str) -> str:
    """A value in its unit, as short as Grafana writes it."""
    if not np.isfinite(value):
        return str(value).replace("inf", "∞")
    return SPELLED[unit](value)


def _seconds(value: float) -> str:
    for factor, text in ((1e-6, "µs"), (1e-3, "ms")):
        if 0 < abs(value) < 1000 * factor:
            return f"{value / factor:.3g} {text}"
    return f"{value:.3g} s"


def _thousands(value: float, step: int = 1000, suffix: str = "") -> str:
    for prefix in ("", "K", "M", "G"):
        if abs(value) < step or prefix == "G":
            return f"{value:.3g}{' ' if suffix else ''}{prefix}{suffix}"
        value /= step
    raise AssertionError


SPELLED = {
    "s": _seconds,
    "bytes": lambda value: _thousands(value, 1024, "iB").replace(" iB", " B"),
    "Bps": lambda value: _thousands(value, 1000, "B/s"),
    "percentunit": lambda value: f"{100 * value:.3g} %",
    "short": _thousands,
    "cps": lambda value: _thousands(value) + "/s",
    "reqps": lambda value: _thousands(value) + "/s",
}
