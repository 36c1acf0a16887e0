"""`basecast models`, run as a user runs it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.terminal import Run
from tests.toy import write_manifest, write_token_bundle, write_toy_bundle


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A models folder of one's own, with `gc` and `mean-id`."""
    write_toy_bundle(tmp_path / "models")
    write_token_bundle(tmp_path / "models")
    return tmp_path / "models"


def score(model: str) -> dict[str, Any]:
    figures = {"r2": {"value": 0.4239, "low": 0.4, "high": 0.45}}
    return {
        "model": model,
        "target": "gc_fraction",
        "split": "by gene",
        "subset": "all",
        "rows": 90,
        "metrics": figures,
    }


def test_list_shows_what_each_bundle_is(run: Run, models: Path) -> None:
    write_manifest(models / "gc", scores=[score("k-mer ridge"), score("this bundle")])
    done = run("models", "list", "--models", models)
    header, first, second = done.out.splitlines()
    assert header.split()[:5] == ["name", "version", "task", "organism", "bases"]
    assert re.split(r" {2,}", first.strip())[:7] == [
        *("gc", "1.0.0", "toy", "none", "1 to 1,000 of ACGTUN", "gc_fraction", "0.424 (0.400 to 0.450)")
    ]
    assert "mean_id, mean_id_plus_ten" in second


def test_list_tells_what_is_wrong_with_a_broken_bundle(run: Run, models: Path) -> None:
    write_manifest(models / "gc", format=2)
    done = run("models", "list", "--models", models)
    assert done.status == 1
    assert "mean-id" in done.out
    assert done.err.startswith("broken: gc/manifest.json: format: ")


def test_show_prints_the_manifest_for_people(run: Run, models: Path) -> None:
    changes = {"limits": "Not for [bold]use[/].", "citation": "A. Author (2026)", "scores": [score("k-mer ridge")]}
    write_manifest(models / "gc", **changes)
    shown = run("models", "show", "gc", "--models", models).out
    for text in (
        "k-mer ridge",
        "0.400 to 0.450",
        "1 to 1,000 of ACGTUN",
        "higher means",
        "Not for [bold]use[/].",
        "A. Author (2026)",
        "Apache-2.0",
    ):
        assert text in shown


def test_a_broken_bundle_can_be_named_and_its_fault_is_told(run: Run, models: Path) -> None:
    write_manifest(models / "gc", format=2)
    done = run("models", "show", "gc", "--models", models)
    assert (done.status, done.out) == (1, "")
    assert done.err.startswith("error: gc/manifest.json: format: ")


def test_show_as_json_is_the_manifest_itself(run: Run, models: Path) -> None:
    shown = run("models", "show", "mean-id@1.0.0", "--models", models, "--json").out
    assert shown == (models / "mean-id" / "manifest.json").read_text()


def test_verify_has_a_line_for_each_bundle(run: Run, models: Path) -> None:
    done = run("models", "verify", "--models", models)
    assert done.status == 0
    assert [line.split()[:2] for line in done.out.splitlines()] == [["OK", "gc@1.0.0"], ["OK", "mean-id@1.0.0"]]


def test_verify_finds_an_altered_file(run: Run, models: Path) -> None:
    with (models / "gc" / "model.onnx").open("ab") as graph:
        graph.write(b"!")
    done = run("models", "verify", "--models", models)
    assert done.status == 1
    failed, passed = done.out.splitlines()
    assert failed.startswith("FAILED  gc  gc/model.onnx: SHA-256 differs")
    assert passed.startswith("OK")


def test_verify_finds_a_broken_promise_and_takes_paths(run: Run, models: Path) -> None:
    write_manifest(
        models / "gc", golden={"tolerance": 1e-4, "examples": [{"sequence": "G", "values": {"gc_fraction": 0}}]}
    )
    done = run("models", "verify", models / "gc", "mean-id", "--models", models)
    assert (done.status, [line.split()[0] for line in done.out.splitlines()]) == (1, ["FAILED", "OK"])
    assert "golden examples differ" in done.out


def test_of_many_subsets_the_list_shows_the_median_and_not_the_first(run: Run, models: Path) -> None:
    figures = [{"r2": {"value": tenths / 10, "low": 0, "high": 1}} for tenths in (9, *range(9))]
    genes = [score("this bundle") | {"subset": f"GENE{n}", "metrics": each} for n, each in enumerate(figures)]
    write_manifest(models / "gc", scores=genes)
    assert "median 0.450" in run("models", "list", "--models", models).out  # of 0, 0.1, … 0.9


def test_a_bundle_in_8_bits_says_what_that_changed(run: Run, models: Path) -> None:
    quantised = {
        "fp32_sha256": "0" * 64,
        "calibration_rows": 1024,
        "compared": "test rows",
        "compared_rows": 5057,
        "largest_difference": 0.11,
        "rms_difference": 0.021,
        "largest_batch_difference": 8e-7,
    }
    write_manifest(models / "gc", precision="int8", quantised=quantised)
    shown = run("models", "show", "gc", "--models", models).out
    for text in ("at most 0.11 standard deviations, rms 0.021", "over 5,057 test rows", "1,024 training rows", "8e-07"):
        assert text in " ".join(shown.split())
    assert "int8, 2 files" in run("models", "verify", "gc", "--models", models).out
