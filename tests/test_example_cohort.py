"""The example cohort: made by its script, and served with the settings of `make serve`."""

from __future__ import annotations

import gzip
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from app.main import create_service
from app.settings import load_settings
from tests.conftest import REPOSITORY, http_to

COHORT = REPOSITORY / "examples" / "cohort"


def test_the_script_writes_the_committed_files(tmp_path: Path) -> None:
    subprocess.run([sys.executable, COHORT / "simulate.py", tmp_path], check=True)
    for name in ("reference.fa.gz", "cohort.vcf.gz"):
        assert gzip.decompress((tmp_path / name).read_bytes()) == gzip.decompress((COHORT / name).read_bytes())
    assert (tmp_path / "genes.bed").read_text() == (COHORT / "genes.bed").read_text()
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in COHORT.iterdir()} - {"simulate.py"}


def test_the_files_are_small() -> None:
    assert sum(path.stat().st_size for path in COHORT.iterdir()) < 300_000


async def _answer(monkeypatch: pytest.MonkeyPatch, gene: str, **more: object) -> httpx.Response:
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.setenv("BASECAST_CONFIG", "examples/serve.toml")
    settings = load_settings(models=Path("models/human-promoter-expression"), threads=1)
    async with http_to(create_service(settings)) as client:
        return await client.post("/predict/individual", json={"cohort": "example", "gene": gene} | more)


@pytest.mark.parametrize("gene", ["SIMA", "SIMB", "SIMC", "SIMD"])
async def test_people_differ_at_each_gene(monkeypatch: pytest.MonkeyPatch, gene: str) -> None:
    told = (await _answer(monkeypatch, gene)).json()
    counts = told["counts"]
    assert (counts["samples"], counts["haplotypes"]) == (50, 100)
    assert 3 <= counts["distinct_haplotypes"] < 20
    assert len({person["values"]["log10_tpm_pituitary"] for person in told["individuals"]}) > 2


async def test_the_readme_shows_the_true_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = (REPOSITORY / "README.md").read_text()
    shown = shown[shown.index('"refget"') : shown.index('"caveat"')]
    told = (await _answer(monkeypatch, "SIMA", samples=["SIM01"])).json()
    (person,) = told["individuals"]
    parts = (told["reference_values"], person["values"], person["difference"], person["log2_fold_change"])
    parts += tuple(haplotype["values"] for haplotype in person["haplotypes"])
    expected = [part["log10_tpm_pituitary"] for part in parts]
    found = [float(number) for number in re.findall(r'"log10_tpm_pituitary": ([-0-9.]+)', shown)]
    assert found == pytest.approx(expected, abs=1e-4)
    assert told["reference"]["refget"] in shown
