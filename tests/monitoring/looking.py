"""What an operator sees: every panel's answers, and pictures of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from tests.debian import OWN, RELEASES, find
from tests.monitoring.dashboards import FILES, PANELS, Drawn
from tests.monitoring.facts import WINDOW_SECONDS, Facts
from tests.monitoring.prometheus import SCRAPE_SECONDS, Prometheus, Series
from tests.monitoring.scene import Scene, scene
from tests.monitoring.sheet import Answers, draw
from tests.toy import write_hungry_bundle, write_token_bundle, write_toy_bundle

VARIABLES = {"__rate_interval": f"{WINDOW_SECONDS}s", "model": ".*", "target": "gc_fraction"}


@dataclass(frozen=True)
class Seen:
    """The play, as the dashboards over one Prometheus showed it."""

    facts: Facts
    exposed: dict[str, str]
    answers: Answers
    firing: dict[str, dict[str, str]]

    def pictures(self) -> Iterator[tuple[str, Figure]]:
        """Each dashboard, by its uid."""
        for uid, file in FILES.items():
            panels = [it for it in PANELS if it.dashboard == uid]
            yield uid, draw(file, panels, self.answers, self.facts.began)


@contextmanager
def seen(folder: Path) -> Iterator[dict[str, Seen]]:
    """Play the scene with toy models, written into this folder, and look at every panel.

    Returns:
        What was seen by each Prometheus that there is, by the Debian release that it comes from; the newest last.
    """
    for write in (write_toy_bundle, write_token_bundle, write_hungry_bundle):
        write(folder)
    releases = [release for release in RELEASES if find("prometheus", release)] or [OWN]
    with scene(folder, releases) as played:
        yield {release: _look(prometheus, played) for release, prometheus in played.prometheuses.items()}


def _look(prometheus: Prometheus, played: Scene) -> Seen:
    answers = {str(panel): _answers(panel, prometheus, played.facts) for panel in PANELS}
    return Seen(played.facts, played.exposed, answers, _firing(prometheus))


def _answers(panel: Drawn, prometheus: Prometheus, facts: Facts) -> list[tuple[str, list[Series]]]:
    return [(legend, _series(panel, expression, prometheus, facts)) for expression, legend in panel.queries(VARIABLES)]


def _series(panel: Drawn, expression: str, prometheus: Prometheus, facts: Facts) -> list[Series]:
    if panel.is_instant:
        return prometheus.now(expression)
    return prometheus.range(expression, facts.began, facts.ended, SCRAPE_SECONDS)


def _firing(prometheus: Prometheus) -> dict[str, dict[str, str]]:
    """Annotations of the alerts that fire, by name."""
    return {it["labels"]["alertname"]: it["annotations"] for it in prometheus.alerts() if it["state"] == "firing"}
