"""Every panel over a real service: its query finds series, and where a value can be known it is that value."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml

from tests.debian import RELEASES, require
from tests.monitoring.dashboards import PANELS, Drawn
from tests.monitoring.known_values import FIRE, KNOWN, Known, last
from tests.monitoring.looking import Seen, seen
from tests.monitoring.places import RULES
from tests.monitoring.prometheus import Series
from tests.monitoring.sheet import name

# What is exported and stands on no panel.
EXCEPTIONS = {
    "python_info": "tells the version of Python, for one who looks for it",
    "process_virtual_memory_bytes": "says nothing of memory in use",
}
# What stands on a panel and is exported by other machines only.
ELSEWHERE = {"basecast_device_memory_bytes", "basecast_device_utilisation_ratio"}  # of GPUs


GROUPS = [group for path in RULES for group in yaml.safe_load(path.read_text())["groups"]]
RULES_EXPRESSIONS = [rule["expr"] for group in GROUPS for rule in group["rules"]]


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Seen]]:
    with seen(tmp_path_factory.mktemp("models")) as views:
        yield views


@pytest.fixture(scope="module", params=RELEASES)
def view(request: pytest.FixtureRequest, views: dict[str, Seen]) -> Seen:
    """What the Prometheus of a Debian release saw."""
    require("prometheus", request.param)
    return views[request.param]


@pytest.mark.parametrize("panel", PANELS, ids=str)
def test_every_query_of_a_panel_finds_a_series(panel: Drawn, view: Seen) -> None:
    for legend, series in view.answers[str(panel)]:
        assert any(np.isfinite(it.values).any() for it in series), legend
        assert not any("{{" in name(legend, it.labels) for it in series), "the legend names a label that is not there"


@pytest.mark.parametrize("known", KNOWN, ids=str)
def test_a_panel_shows_the_known_value(known: Known, view: Seen) -> None:
    value = known.read(_find(known, view), view.facts)
    assert known.low(view.facts) <= value <= known.high(view.facts)


def test_a_batch_that_does_not_fit_is_seen(view: Seen) -> None:
    ((_, workers),) = view.answers["queue: Batches that did not fit"]
    assert sum(last(it, view.facts) for it in workers) >= 0.9


def _find(known: Known, view: Seen) -> Series:
    wanted = known.legend.format(api=view.facts.api, workers=view.facts.workers).replace("127.0.0.1", "")
    found = {
        series.labels["le"] if legend == "{{le}}" else name(legend, series.labels): series
        for legend, many in view.answers[known.panel]
        for series in many
    }
    return next(iter(found.values())) if not wanted else found[wanted]


def test_every_metric_that_is_exposed_is_on_a_panel_or_has_a_reason_not_to_be(view: Seen) -> None:
    exposed = {line.split()[2] for text in view.exposed.values() for line in text.splitlines() if "# TYPE " in line}
    shown = _metrics(expression for panel in PANELS for expression, _ in panel.queries({}))
    assert exposed - shown == set(EXCEPTIONS)
    asked = {it for it in shown | _metrics(map(str, RULES_EXPRESSIONS)) if it.startswith("basecast_")}
    assert asked - exposed == ELSEWHERE


def _metrics(expressions: Iterable[str]) -> set[str]:
    """The metrics of expressions, histograms without the names of their parts."""
    words = {word for text in expressions for word in re.findall(r"\b[a-z]+_[a-z_]+", text)}
    return {re.sub("_(bucket|sum|count)$", "", word) for word in words}


@pytest.mark.parametrize("alert", FIRE)
def test_an_alert_whose_cause_was_brought_about_fires_and_says_so_in_words(alert: str, view: Seen) -> None:
    told = view.firing[alert]
    assert "{{" not in told["summary"]
    assert Path(told["runbook_url"]).name == f"{alert}.md"


def test_the_sheet_shows_every_panel(views: dict[str, Seen], tmp_path: Path) -> None:
    *_, newest = views.values()
    for uid, figure in newest.pictures():
        figure.savefig(tmp_path / f"{uid}.png")
        assert len(figure.axes) == sum(it.dashboard == uid for it in PANELS)
