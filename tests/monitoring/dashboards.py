"""The committed dashboards, as Grafana reads them: panels, and their queries with every variable filled in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.monitoring.places import DASHBOARDS


@dataclass(frozen=True)
class Drawn:
    """One panel of a dashboard file."""

    dashboard: str
    json: Mapping[str, Any]

    @property
    def title(self) -> str:
        return str(self.json["title"])

    @property
    def kind(self) -> str:
        return str(self.json["type"])

    @property
    def is_instant(self) -> bool:
        return self.kind == "table"

    def queries(self, variables: Mapping[str, str]) -> list[tuple[str, str]]:
        """Expression and legend of each query."""
        return [(_filled(it["expr"], variables), it["legendFormat"]) for it in self.json["targets"]]

    def __str__(self) -> str:
        return f"{self.dashboard.removeprefix('basecast-')}: {self.title}"


def _filled(expression: str, variables: Mapping[str, str]) -> str:
    for name, value in variables.items():
        expression = expression.replace(f"${name}", value)
    return expression


FILES = {path.stem: json.loads(path.read_text()) for path in DASHBOARDS}
PANELS = [Drawn(name, panel) for name, it in FILES.items() for panel in it["panels"] if panel["type"] != "row"]
