"""Alerts fire when they should, stay silent when they should, and lead to a page that says what to do."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.debian import RELEASES, require
from tests.monitoring.alert_cases import CASES, Case
from tests.monitoring.places import DASHBOARDS, PROMETHEUS, RULES, RUNBOOKS

ALWAYS = {"BasecastWatchdog"}
HEADINGS = ["## What it means", "## How to look", "## What to do"]


def groups() -> list[dict[str, Any]]:
    """Every group of rules of every file."""
    return [group for path in RULES for group in yaml.safe_load(path.read_text())["groups"]]


ALERTS = [rule for group in groups() for rule in group["rules"] if "alert" in rule]
NAMES = sorted({rule["alert"] for rule in ALERTS})


def _group(case: Case) -> dict[str, Any]:
    window = f', window="{case.window}"' if case.window else ""
    selector = f'ALERTS{{alertstate="firing", alertname="{case.alert}"{window}}}'
    expected = [{"labels": "{}", "value": case.fires}] if case.fires else []
    return {
        "interval": f"{case.step_minutes}m",
        "name": f"{case.alert} {case.window} {case.series}",
        "input_series": [{"series": name, "values": values} for name, values in case.series.items()],
        "promql_expr_test": [
            {"expr": f"count({selector})", "eval_time": f"{case.at_step * case.step_minutes}m", "exp_samples": expected}
        ],
    }


def _is_of_alerts(group: dict[str, Any]) -> bool:
    return "alert" in group["rules"][0]


def _written(path: Path, step_minutes: int) -> Path:
    """The cases of one step, as a file for promtool; what alerts read is recorded first."""
    test = {
        "rule_files": [str(path) for path in RULES],
        "evaluation_interval": f"{step_minutes}m",
        "group_eval_order": [group["name"] for group in sorted(groups(), key=_is_of_alerts)],
        "tests": [_group(case) for case in CASES if case.step_minutes == step_minutes],
    }
    path.write_text(yaml.safe_dump(test))
    return path


@pytest.mark.parametrize("release", RELEASES)
def test_alerts_fire_and_stay_silent_as_the_cases_say(release: str, tmp_path: Path) -> None:
    steps = sorted({case.step_minutes for case in CASES})
    files = [_written(tmp_path / f"{step_minutes}.yml", step_minutes) for step_minutes in steps]
    command = [require("promtool", release), "test", "rules", *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: f"{rule['alert']}-{rule['labels'].get('window', '')}")
def test_each_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not(rule: dict[str, Any]) -> None:
    window = rule["labels"].get("window", "")
    seen = {bool(case.fires) for case in CASES if (case.alert, case.window) == (rule["alert"], window)}
    assert seen == ({True} if rule["alert"] in ALWAYS else {True, False})


@pytest.mark.parametrize("release", RELEASES)
def test_prometheus_accepts_its_configuration(release: str) -> None:
    command = [require("promtool", release), "check", "config", PROMETHEUS / "prometheus.yml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: f"{rule['alert']}-{rule['labels'].get('window', '')}")
def test_each_alert_says_how_urgent_it_is_and_where_to_look(rule: dict[str, Any]) -> None:
    dashboards = {f"/d/{json.loads(path.read_text())['uid']}" for path in DASHBOARDS}
    assert rule["labels"]["severity"] in ("page", "ticket", "none")
    assert rule["annotations"]["dashboard_url"] in dashboards
    assert rule["annotations"]["runbook_url"] == f"docs/runbooks/{rule['alert']}.md"


@pytest.mark.parametrize("name", NAMES)
def test_each_alert_has_a_page_that_says_what_to_do(name: str) -> None:
    text = (RUNBOOKS / f"{name}.md").read_text()
    assert text.startswith(f"# {name}\n")
    assert re.findall("^## .*", text, re.MULTILINE) == HEADINGS


@pytest.mark.parametrize("name", NAMES)
def test_each_alert_stands_in_the_list_of_docs_monitoring(name: str) -> None:
    listed = (RUNBOOKS.parent / "monitoring.md").read_text()
    assert f"](runbooks/{name}.md)" in listed or name in ALWAYS


def test_links_between_pages_lead_somewhere() -> None:
    for page in (RUNBOOKS.parent / "monitoring.md", *RUNBOOKS.glob("*.md")):
        for link in re.findall(r"\]\(([^)#]+)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_no_page_is_left_of_an_alert_that_is_gone() -> None:
    assert sorted(path.stem for path in RUNBOOKS.glob("Basecast*.md")) == NAMES
