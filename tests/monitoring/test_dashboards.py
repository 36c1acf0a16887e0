"""Dashboards say what they show and fit what Grafana reads; their text is what the generator writes."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from deploy.grafana.generate.__main__ import DASHBOARDS, text_of
from tests.compose import read_compose
from tests.monitoring.dashboards import FILES, PANELS, Drawn
from tests.monitoring.places import GRAFANA
from tests.monitoring.sheet import SPELLED

register_default_plugins()


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda it: it.uid)
def test_a_file_is_what_the_generator_writes(dashboard: Any) -> None:
    assert (GRAFANA / "dashboards" / f"{dashboard.uid}.json").read_text() == text_of(dashboard)


def test_no_file_is_left_of_a_dashboard_that_is_gone() -> None:
    assert set(FILES) == {it.uid for it in DASHBOARDS}


@pytest.mark.parametrize("uid", FILES)
def test_grafana_knows_every_field(uid: str) -> None:
    """Its published types drop what they do not know."""
    understood = JSONEncoder(sort_keys=True).encode(Dashboard.from_json(FILES[uid]))
    assert _lost(FILES[uid], json.loads(understood)) == []


def _lost(given: Any, kept: Any, place: str = "") -> list[str]:
    if isinstance(given, Mapping):
        if not isinstance(kept, Mapping):
            return [place]
        return [it for key, value in given.items() for it in _lost(value, kept.get(key), f"{place}/{key}")]
    if isinstance(given, list):
        if not isinstance(kept, list) or len(given) != len(kept):
            return [place]
        pairs = enumerate(zip(given, kept, strict=True))
        return [it for index, pair in pairs for it in _lost(*pair, f"{place}/{index}")]
    return [] if given == kept else [place]


@pytest.mark.parametrize("panel", PANELS, ids=str)
def test_a_panel_says_what_it_shows(panel: Drawn) -> None:
    field = panel.json["fieldConfig"]["defaults"]
    assert len(panel.json["description"]) > 20
    assert field["unit"] in SPELLED
    assert field["thresholds"]["steps"]
    several = len(panel.json["targets"]) > 1
    assert all(it["legendFormat"] for it in panel.json["targets"]) or (not several and panel.kind in ("stat", "table"))


@pytest.mark.parametrize("panel", PANELS, ids=str)
def test_a_panel_never_shows_a_zero_that_nobody_measured(panel: Drawn) -> None:
    assert not any("vector(" in expression for expression, _ in panel.queries({}))


@pytest.mark.parametrize("uid", FILES)
def test_panels_neither_overlap_nor_share_a_number(uid: str) -> None:
    panels = FILES[uid]["panels"]
    assert len({it["id"] for it in panels}) == len(panels)
    cells = [cell for it in panels for cell in _cells(**it["gridPos"])]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24


def _cells(x: int, y: int, w: int, h: int) -> list[tuple[int, int]]:
    return list(itertools.product(range(x, x + w), range(y, y + h)))


def test_every_query_asks_the_provisioned_source() -> None:
    (source,) = yaml.safe_load((GRAFANA / "provisioning" / "datasources" / "prometheus.yml").read_text())["datasources"]
    asked = {it["datasource"]["uid"] for panel in PANELS for it in (panel.json, *panel.json["targets"])}
    variables = {it["datasource"]["uid"] for file in FILES.values() for it in file["templating"]["list"]}
    assert asked | variables == {source["uid"]}


# Of Grafana's documentation of provisioning; it passes over what it does not know.
OF_SOURCES = {"name", "uid", "type", "access", "url", "isDefault", "editable", "jsonData"}
OF_PROVIDERS = {"name", "folder", "type", "allowUiUpdates", "updateIntervalSeconds", "options"}


@pytest.mark.parametrize(
    ("file", "part", "known"),
    [("datasources/prometheus.yml", "datasources", OF_SOURCES), ("dashboards/basecast.yml", "providers", OF_PROVIDERS)],
)
def test_what_is_provisioned_has_the_fields_that_grafana_documents(file: str, part: str, known: set[str]) -> None:
    document = yaml.safe_load((GRAFANA / "provisioning" / file).read_text())
    assert document.keys() == {"apiVersion", part}
    assert document["apiVersion"] == 1
    assert all(entry.keys() <= known for entry in document[part])


def test_the_container_of_grafana_finds_what_is_provisioned_where_it_looks() -> None:
    service = read_compose()["services"]["grafana"]
    mounted = dict(volume.split(":")[1::-1] for volume in service["volumes"])
    (provider,) = yaml.safe_load((GRAFANA / "provisioning" / "dashboards" / "basecast.yml").read_text())["providers"]
    assert mounted[provider["options"]["path"]] == "./deploy/grafana/dashboards"
    assert mounted["/etc/grafana/provisioning"] == "./deploy/grafana/provisioning"
    (source,) = yaml.safe_load((GRAFANA / "provisioning" / "datasources" / "prometheus.yml").read_text())["datasources"]
    command = read_compose()["services"]["prometheus"]["command"]
    assert source["url"].removeprefix("http://prometheus") == command[-1].removeprefix("--web.listen-address=0.0.0.0")


def test_no_rate_is_taken_over_less_than_the_scrapes_allow() -> None:
    prometheus = yaml.safe_load((GRAFANA.parent / "prometheus" / "prometheus.yml").read_text())
    (source,) = yaml.safe_load((GRAFANA / "provisioning" / "datasources" / "prometheus.yml").read_text())["datasources"]
    assert source["jsonData"]["timeInterval"] == prometheus["global"]["scrape_interval"]
