"""`basecast models tune`, run for real on small bundles for a small time."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from app.settings import Settings
from tests.terminal import Run, Terminal, start
from tests.toy import write_dosage_bundle
from tests.toy_segments import write_segmented_bundle

CPU_TRIALS = ["batches at once", "groups of equal length", "padding"]


def test_all_that_was_tried_is_shown_and_a_line_for_each_setting(run: Run, toy_models: Path) -> None:
    done = run("models", "tune", "mean-id", "--models", toy_models, "--device", "cpu", "--seconds", "0.3")
    assert done.status == 0
    for title in CPU_TRIALS:
        assert f"\n{title}, rows a second" in f"\n{done.out}"
    verdicts = re.findall(
        r"^(nothing is clearly better than the default|nothing can be said|better than)", done.out, re.MULTILINE
    )
    assert len(verdicts) == 3
    lines = tomllib.loads("\n".join(re.findall(r"^\w+ = .*$", done.out, re.MULTILINE)))
    assert bool(lines) == ("better than" in [verdict for verdict in verdicts if verdict == "better than"])
    Settings(**lines)  # which are settings, with values that they may have


def test_as_json_every_figure_is_there(run: Run, toy_models: Path) -> None:
    done = run("models", "tune", toy_models / "mean-id", "--device", "cpu", "--seconds", "0.3", "--json")
    told = json.loads(done.out)
    assert (told["bundle"], told["provider"]) == ("mean-id@1.0.0", "CPUExecutionProvider")
    assert [it["title"].partition(",")[0] for it in told["comparisons"]] == CPU_TRIALS
    for comparison in told["comparisons"]:
        assert {comparison["usual"], comparison["chosen"]} <= comparison["candidates"].keys()
        for rate in comparison["candidates"].values():
            assert rate["per_second"] > 0
            assert rate["rounds"] >= 1


@pytest.mark.parametrize("write", [write_dosage_bundle, write_segmented_bundle])
def test_what_reads_no_bases_of_any_length_is_not_padded(run: Run, tmp_path: Path, write: object) -> None:
    folder = write(tmp_path)
    done = run("models", "tune", folder, "--device", "cpu", "--seconds", "0.2", "--json")
    assert [it["title"].partition(",")[0] for it in json.loads(done.out)["comparisons"]] == CPU_TRIALS[:2]


def test_a_terminal_sees_what_is_tried(toy_models: Path) -> None:
    with Terminal() as terminal:
        arguments = ("models", "tune", "gc", "--models", toy_models, "--device", "cpu", "--seconds", "1")
        tuning = start(*arguments, stderr=terminal.end)
        terminal.shown_until("groups of equal length, rows a second of a core")
        tuning.communicate()
        assert tuning.returncode == 0


def test_a_bundle_that_is_not_there_is_an_error(run: Run, toy_models: Path) -> None:
    done = run("models", "tune", "nothing", "--models", toy_models)
    assert (done.status, done.out) == (1, "")
    assert done.err.startswith("error: no model of that name")
