"""`python -m benchmarks.haplotypes`: everybody's haplotypes, beside two other builders, as benchmarks/haplotypes.md."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.haplotypes_cohort import CONTIG, WINDOW, Files, sample_names, simulate
from benchmarks.haplotypes_report import FORMS, Figures, Plan, page
from benchmarks.measure import run_module

PAGE = Path(__file__).with_name("haplotypes.md")
GENVARLOADER = "genvarloader==0.43.1"
READER = Path(__file__).with_name("haplotypes_genvarloader.py")
CORE = 0
DIGESTS = 200
INSTALL_SECONDS = 900


def main(
    people: Annotated[int, typer.Option(help="Size of the cohort.")] = 1_000,
    rounds: Annotated[int, typer.Option(help="Rounds in which the three take turns.")] = 3,
    times: Annotated[int, typer.Option(help="How often each process builds or reads.")] = 5,
    sampled: Annotated[int, typer.Option(help="Haplotypes that bcftools builds in each round.")] = 40,
    seed: Annotated[int, typer.Option(help="Of the simulated cohort.")] = 22,
    reader: Annotated[Path | None, typer.Option(help="Python that has GenVarLoader.  [default: a new venv]")] = None,
    write: Annotated[bool, typer.Option(help="Write benchmarks/haplotypes.md.")] = True,
) -> None:
    """Build everybody's haplotypes of 100 kb from an indexed VCF, and do the same with bcftools and GenVarLoader."""
    plan, bcftools = Plan(people, rounds, times, sampled, seed), Bcftools.found()
    figures = Figures()
    with tempfile.TemporaryDirectory() as scratch, _on_one_core():
        python = reader or installed(Path(scratch) / "genvarloader")
        files = simulate(Path(scratch), people, seed)
        for number in range(rounds):
            for form in FORMS:
                _measure_form(Path(scratch), form, python, plan, figures)
            _measure_bcftools(files, bcftools, plan, number, figures)
        figures.equal = _equal_digests(files, bcftools, figures.told["natural"]["digests"])
    text = page(figures, plan, bcftools.version)
    if write:
        PAGE.write_text(text)
    typer.echo(text)


@contextmanager
def _on_one_core() -> Iterator[None]:
    """All three on one core, the same."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {CORE})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _measure_form(folder: Path, form: str, python: Path | None, plan: Plan, figures: Figures) -> None:
    given = {"folder": str(folder), "form": form, "times": plan.times}
    told = run_module("benchmarks.haplotypes_ours", given | {"digests": min(DIGESTS, 2 * plan.people)})
    figures.first[form].append(told["seconds"][0])
    figures.ours[form].append(statistics.median(told["seconds"]))
    figures.told[form] = told
    if python is not None:
        read = _read(python, given | {"contig": CONTIG, "start": WINDOW.start, "end": WINDOW.end})
        figures.read[form].append(statistics.median(read["seconds"]))
        figures.told_of_reader[form] = read


def _measure_bcftools(files: Files, bcftools: Bcftools, plan: Plan, number: int, figures: Figures) -> None:
    names = sample_names(plan.people)
    for draw in range(plan.sampled):
        sample = names[(number * plan.sampled + draw) * 7 % plan.people]  # spread over the cohort
        began = time.perf_counter()
        bcftools.consensus(files, sample, 1 + draw % 2)
        figures.alone.append(time.perf_counter() - began)


def installed(folder: Path) -> Path | None:
    """A Python with GenVarLoader in an environment of its own; None where it cannot be installed."""
    typer.echo(f"Installing {GENVARLOADER} into an environment of its own ...", err=True)
    try:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True, capture_output=True)
        python = folder / "bin" / "python"
        install = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", GENVARLOADER)
        subprocess.run(install, check=True, capture_output=True, timeout=INSTALL_SECONDS)
    except (OSError, subprocess.SubprocessError):
        return None
    return python


def _read(python: Path, given: dict[str, Any]) -> dict[str, Any]:
    done = subprocess.run([python, READER], input=json.dumps(given), capture_output=True, text=True, check=True)
    told: dict[str, Any] = json.loads(done.stdout[done.stdout.index("{") :])
    return told


@dataclass(frozen=True, slots=True)
class Bcftools:
    """`bcftools consensus`, a process for each haplotype.

    Attributes:
        command: the program, or Python running the one that pysam brings.
        version: as it tells it.
    """

    command: tuple[str, ...]
    version: str

    @classmethod
    def found(cls) -> Bcftools:
        """The one on PATH, else pysam's."""
        program = shutil.which("bcftools")
        if program is None:
            code = "import sys, pysam.bcftools as b; sys.stdout.write(b.consensus(*sys.argv[2:]))"
            return cls((sys.executable, "-c", code), f"of pysam {version('pysam')}")
        told = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
        return cls((program,), told.split("\n", 1)[0].removeprefix("bcftools "))

    def consensus(self, files: Files, sample: str, index: int) -> bytes:
        """One haplotype of the window."""
        asked = ["consensus", "-s", sample, "-H", str(index), "-f", str(files.region), str(files.vcf)]
        done = subprocess.run([*self.command, *asked], capture_output=True, check=True)
        return done.stdout.partition(b"\n")[2].replace(b"\n", b"")


def _equal_digests(files: Files, bcftools: Bcftools, digests: Sequence[str]) -> int:
    """How many of our sequences are those that bcftools writes for the same people, by their SHA-1."""
    names = [(sample, index) for sample in sample_names(len(digests) // 2) for index in (1, 2)]
    built = (hashlib.sha1(bcftools.consensus(files, sample, index)).hexdigest() for sample, index in names)
    return sum(ours == theirs for ours, theirs in zip(digests, built, strict=True))


if __name__ == "__main__":
    typer.run(main)
