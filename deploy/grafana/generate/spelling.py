"""How Grafana spells a dashboard: its JSON model, in the form of version 11."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from deploy.grafana.generate.panels import Dashboard, Kind, Panel, Query, Row, Variable

Json = dict[str, Any]

SOURCE = {"type": "prometheus", "uid": "basecast-prometheus"}
SCHEMA = 41
COLUMNS = 24
FORMS = {"table": "table", "heatmap": "heatmap"}
OPTIONS: dict[str, Json] = {
    "timeseries": {
        "legend": {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "stat": {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "colorMode": "background",
        "graphMode": "area",
        "justifyMode": "auto",
        "orientation": "auto",
        "textMode": "auto",
    },
    "heatmap": {
        "calculate": False,
        "cellGap": 1,
        "color": {"mode": "scheme", "scheme": "Blues", "steps": 64, "exponent": 0.5, "fill": "blue", "reverse": False},
        "legend": {"show": True},
        "tooltip": {"mode": "single", "yHistogram": False},
        "showValue": "never",
    },
    "table": {"showHeader": True, "cellHeight": "sm"},
}


def spelled(dashboard: Dashboard) -> Json:
    """A dashboard as Grafana reads it from a file."""
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "description": dashboard.description,
        "tags": ["basecast"],
        "schemaVersion": SCHEMA,
        "editable": False,
        "graphTooltip": 1,  # the crosshair is shared
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "links": [_links()],
        "annotations": {"list": []},
        "templating": {"list": [_variable(it) for it in dashboard.variables]},
        "panels": list(_laid_out(dashboard.rows)),
    }


def _laid_out(rows: Sequence[Row]) -> Iterator[Json]:
    y, number = 0, 0
    for row in rows:
        number += 1
        yield _heading(row.title, y, number)
        y, x, tallest = y + 1, 0, 0
        for panel in row.panels:
            number += 1
            if x + panel.width > COLUMNS:
                y, x, tallest = y + tallest, 0, 0
            yield _panel(panel, x, y, number)
            x, tallest = x + panel.width, max(tallest, panel.height)
        y += tallest


def _heading(title: str, y: int, number: int) -> Json:
    place = {"h": 1, "w": COLUMNS, "x": 0, "y": y}
    return {"id": number, "type": "row", "title": title, "collapsed": False, "gridPos": place, "panels": []}


def _panel(panel: Panel, x: int, y: int, number: int) -> Json:
    made: Json = {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": SOURCE,
        "gridPos": {"h": panel.height, "w": panel.width, "x": x, "y": y},
        "targets": [
            _target(query, panel.kind, letter) for query, letter in zip(panel.queries, "ABCDEFGH", strict=False)
        ],
        "fieldConfig": {"defaults": _field(panel), "overrides": []},
        "options": _options(panel),
    }
    if panel.kind == "table":
        hidden = dict.fromkeys(("Time", "Value", *panel.hidden), True)
        made["transformations"] = [{"id": "organize", "options": {"excludeByName": hidden}}]
    return made


def _target(query: Query, kind: Kind, letter: str) -> Json:
    instant = kind == "table"
    return {
        "refId": letter,
        "datasource": SOURCE,
        "expr": query.expression,
        "legendFormat": "{{le}}" if kind == "heatmap" else query.legend,
        "format": FORMS.get(kind, "time_series"),
        "instant": instant,
        "range": not instant,
    }


def _options(panel: Panel) -> Json:
    axis = {"yAxis": {"unit": panel.unit, "axisPlacement": "left"}} if panel.kind == "heatmap" else {}
    return OPTIONS[panel.kind] | axis


def _field(panel: Panel) -> Json:
    steps = [{"value": value, "color": colour} for value, colour in panel.levels.steps]
    made: Json = {
        "unit": panel.unit,
        "noValue": panel.missing,
        "thresholds": {"mode": "absolute", "steps": steps},
        "color": {"mode": "thresholds" if panel.kind == "stat" else "palette-classic"},
        "custom": _drawn(panel),
    }
    limits = {"min": panel.lowest, "max": panel.highest}
    return made | {name: value for name, value in limits.items() if value is not None}


def _drawn(panel: Panel) -> Json:
    if panel.kind != "timeseries":
        return {}
    limited = len(panel.levels.steps) > 1
    return {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": 40 if panel.stacked else 8,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
        "thresholdsStyle": {"mode": "dashed" if limited else "off"},
    }


def _links() -> Json:
    return {
        "type": "dashboards",
        "title": "Basecast",
        "tags": ["basecast"],
        "asDropdown": False,
        "includeVars": False,
        "keepTime": True,
        "targetBlank": False,
        "icon": "external link",
        "tooltip": "",
    }


def _variable(variable: Variable) -> Json:
    query = f"label_values({variable.label_of}, {variable.name})"
    made: Json = {
        "name": variable.name,
        "label": variable.name,
        "type": "query",
        "datasource": SOURCE,
        "query": query,
        "refresh": 2,  # with the time range
        "sort": 1,
        "multi": variable.several,
        "includeAll": variable.several,
    }
    return made | ({"allValue": ".*", "current": {"text": "All", "value": "$__all"}} if variable.several else {})
