"""A bundle of dosages beside the others: loaded and shown, and refused to whoever sends it sequences."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from app.main import create_service
from app.settings import Settings
from tests.conftest import http_to
from tests.terminal import Run, Terminal, start
from tests.toy import write_dosage_bundle, write_manifest, write_toy_bundle

GENES = [f"GENE{number}" for number in range(10)]


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A models folder with `apples`, which comes first, and `gc`."""
    write_dosage_bundle(tmp_path / "models")
    write_toy_bundle(tmp_path / "models")
    return tmp_path / "models"


def figures(target: str, model: str, r2: float) -> dict[str, object]:
    metrics = {"r2": (r2, r2, r2), "pearson": (r2**0.5, 0, 1)}
    shown = {name: dict(zip(("value", "low", "high"), values, strict=True)) for name, values in metrics.items()}
    return {"model": model, "target": target, "split": "5 folds", "subset": "all", "rows": 343, "metrics": shown}


def give_ten_genes(folder: Path) -> None:
    """Ten targets on paper; the graph keeps its two."""
    target = {"unit": "1", "scale": "other", "higher_means": "more", "description": "A toy.", "mean": 0}
    targets = [target | {"name": name, "standard_deviation": 1} for name in GENES]
    examples = [{"dosage": [0, 0, 0], "values": dict.fromkeys(GENES, 0)}]
    scores = [figures(name, "this bundle", number / 10) for number, name in enumerate(GENES)]
    scores += [figures(name, "shuffled genotypes", 0.0) for name in GENES]
    write_manifest(folder, targets=targets, golden={"tolerance": 1e-4, "examples": examples}, scores=scores)


async def test_sequences_are_refused_with_the_way_out(models: Path) -> None:
    async with http_to(create_service(Settings(models=models, threads=1))) as client:
        response = await client.post("/predict", json={"model": "apples", "sequences": ["ACGT"]})
        beside = await client.post("/predict", json={"model": "gc", "sequences": ["GGCA"]})
    problem = response.json()
    assert (response.status_code, problem["code"]) == (422, "needs_genotypes")
    assert [(item["pointer"], item["code"]) for item in problem["errors"]] == [("/model", "needs_genotypes")]
    assert "POST /predict/individual" in problem["detail"]
    assert beside.json()["predictions"][0]["values"] == {"gc_fraction": 0.75}


async def test_its_manifest_is_shown_like_any_other(models: Path) -> None:
    async with http_to(create_service(Settings(models=models, threads=1))) as client:
        summary = (await client.get("/models")).json()["models"][0]
        document = (await client.get("/models/apples")).json()
    assert (summary["name"], summary["max_bases"]) == ("apples", 0)
    assert document["golden"]["examples"][1]["dosage"] == [2, 1, 2]


def test_it_is_listed_and_verified(run: Run, models: Path) -> None:
    assert "none; 3 variants" in run("models", "list", "--models", models).out
    verified = run("models", "verify", "--models", models)
    assert (verified.status, verified.out.count("OK")) == (0, 2)


def test_many_genes_are_listed_in_short_and_shown_in_a_line_each(run: Run, models: Path) -> None:
    give_ten_genes(models / "apples")
    listed = run("models", "list", "--models", models).out
    assert "GENE0, GENE1, GENE2 and 7 more" in listed
    assert "median 0.450" in listed  # of 0, 0.1, … 0.9
    shown = run("models", "show", "apples", "--models", models).out
    assert "pearson, shuffled genotypes" in shown
    assert "each person's alternate alleles" in shown
    (line,) = [line for line in shown.splitlines() if line.split()[:1] == ["GENE4"] and "0.632" in line]
    assert line.split() == ["GENE4", "0.400", "(0.400", "to", "0.400)", "0.632", "0.000"]


def test_a_command_with_sequences_is_refused_in_a_line(run: Run, models: Path, tmp_path: Path) -> None:
    fasta = tmp_path / "one.fa"
    fasta.write_text(">one\nACGT\n")
    done = run("predict", fasta, "--model", "apples", "--models", models)
    assert done.status != 0
    assert "reads genotypes and no sequences" in done.err


@pytest.mark.parametrize(("folder", "shown"), [(".", '["GGCA"]}'), ("apples", "Ctrl-C stops")])
def test_the_banner_shows_an_example_of_a_model_that_reads_sequences(models: Path, folder: str, shown: str) -> None:
    with Terminal() as terminal:
        process = start("serve", "--port", 0, "--models", models / folder, stderr=terminal.end)
        try:
            banner = terminal.shown_until(shown)
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=20)
    assert ('"model": "gc"' in banner) == (folder == ".")
