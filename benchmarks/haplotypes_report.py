"""The measurements of building haplotypes as a page: benchmarks/haplotypes.md."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.haplotypes_cohort import WINDOW
from benchmarks.report import machine

FORMS = ("window", "natural")
FORM_NAMES = {"window": "100 kb each, the anchor in place", "natural": "as long as each is"}
MOST_MB, FASTER = 500, 200
MB_A_MIB = 1.048576
COLUMNS = (
    "haplotypes", "Basecast, ms", "first in its process, ms", "GenVarLoader's read, ms", "of GenVarLoader's",
    "bcftools, s", "times faster than bcftools",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured.

    Attributes:
        people, seed: size of the cohort, and what it is simulated from.
        rounds: in which the three take turns.
        times: how often each process builds or reads.
        sampled: haplotypes that bcftools builds in each round.
    """

    people: int
    rounds: int
    times: int
    sampled: int
    seed: int


@dataclass
class Figures:
    """Everything that was measured: one number a round, or the last round's answer.

    Attributes:
        ours, read: seconds for everybody's haplotypes, by form; the median of each process.
        first: seconds of each process's first time, by form.
        alone: seconds of bcftools for one haplotype.
        told, told_of_reader: what the processes say beside.
        equal: how many of `DIGESTS` sequences have bcftools' digest.
    """

    ours: dict[str, list[float]] = field(default_factory=lambda: {form: [] for form in FORMS})
    first: dict[str, list[float]] = field(default_factory=lambda: {form: [] for form in FORMS})
    read: dict[str, list[float]] = field(default_factory=lambda: {form: [] for form in FORMS})
    alone: list[float] = field(default_factory=list)
    told: dict[str, dict[str, Any]] = field(default_factory=dict)
    told_of_reader: dict[str, dict[str, Any]] = field(default_factory=dict)
    equal: int = 0


def page(figures: Figures, plan: Plan, bcftools: str) -> str:
    """The whole page.

    Args:
        bcftools: its version.
    """
    told, haplotypes = figures.told["window"], 2 * plan.people
    rows = "".join(_row(figures, form, haplotypes) for form in FORMS)
    alone = [1000 * each for each in figures.alone]
    return f"""# Benchmark: everybody's haplotypes, beside bcftools and GenVarLoader

Written by `make bench-haplotypes`. {machine(("numpy", "pysam"))}

{plan.people:,} people, {told["records"]} variants in a window of {WINDOW.bases // 1000} kb, a tenth of them indels;
simulated with seed {plan.seed}, so that {told["distinct"]:,} of the {haplotypes:,} haplotypes are distinct. Basecast
opens the reference and the bgzip VCF with its index, reads the records around the window, and builds
both sequences of each person, equal ones once. All on one core; {plan.rounds} rounds in which the three take turns,
{plan.times} times in each process; medians, and in brackets smallest to largest of the rounds' medians.

| {" | ".join(COLUMNS)} |
|---|{"---:|" * (len(COLUMNS) - 1)}
{rows}
bcftools {bcftools} runs once for each sample and haplotype: {statistics.median(alone):.1f} ms ({min(alone):.1f} to
{max(alone):.1f}), measured on {plan.sampled} haplotypes a round and scaled to {haplotypes:,}.
{_of_reader(figures)}

| bar | |
|---|---|
{_bars(figures, haplotypes)}"""


def _bars(figures: Figures, haplotypes: int) -> str:
    asked = len(figures.told["natural"]["digests"])
    faster = min(_faster(figures, form, haplotypes) for form in FORMS)
    peak = max(_mb(figures.told[form]) for form in FORMS)
    bars = {
        f"SHA-1 of {asked} haplotypes equal to bcftools'": (figures.equal == asked, f"{figures.equal}"),
        f"at least {FASTER} x faster than bcftools": (faster >= FASTER, f"{faster:,.0f} x"),
        f"memory under {MOST_MB} MB": (peak < MOST_MB, f"{peak:,.0f} MB at the most, Python and all"),
        "not slower than GenVarLoader's read": _beside_reader(figures),
    }
    return "".join(f"| {bar} | {'met' if met else 'not met'}: {found} |\n" for bar, (met, found) in bars.items())


def _beside_reader(figures: Figures) -> tuple[bool, str]:
    if not figures.told_of_reader:
        return False, "not measured"
    worst = max(statistics.median(figures.ours[form]) / statistics.median(figures.read[form]) for form in FORMS)
    return worst <= 1, f"{worst:.2f} of its time at the most"


def _row(figures: Figures, form: str, haplotypes: int) -> str:
    ours, read = figures.ours[form], figures.read[form]
    beside = [_spread(read), f"{statistics.median(ours) / statistics.median(read):.2f}"] if read else ["", ""]
    scaled = [f"{statistics.median(figures.alone) * haplotypes:.1f}", f"{_faster(figures, form, haplotypes):,.0f}"]
    return f"| {' | '.join([FORM_NAMES[form], _spread(ours), _spread(figures.first[form]), *beside, *scaled])} |\n"


def _faster(figures: Figures, form: str, haplotypes: int) -> float:
    return statistics.median(figures.alone) * haplotypes / statistics.median(figures.ours[form])


def _of_reader(figures: Figures) -> str:
    if not figures.told_of_reader:
        return """GenVarLoader could not be installed here. Measured elsewhere, on two cores, for as many people and
variants: 77 to 154 ms of fixed length, 112 to 615 ms ragged, after 4 to 5 s of import and 0.3 to 2.9 s of writing."""
    told = figures.told_of_reader["window"]
    before = f"{told['import_seconds']:.1f} s of import and {told['write_seconds']:.1f} s of writing"
    return f"""GenVarLoader {told["version"]} reads a dataset that it has written before:
{before}, neither counted; {_mb(told):,.0f} MB at the most."""


def _mb(told: dict[str, Any]) -> float:
    """The most memory that a process held."""
    return float(told["peak_mib"]) * MB_A_MIB


def _spread(seconds: Sequence[float]) -> str:
    ms = [1000 * each for each in seconds]
    return f"{statistics.median(ms):,.0f} ({min(ms):,.0f} to {max(ms):,.0f})"
