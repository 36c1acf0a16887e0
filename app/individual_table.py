"""Answers for people as a table: one row for each person and window, the same by HTTP and on the command line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

FACTS: tuple[tuple[str, type], ...] = (
    ("sample", str),
    ("contig", str),
    ("start", int),
    ("end", int),
    ("strand", str),
    ("phased", bool),
    ("applied_1", int),
    ("applied_2", int),
    ("skipped_1", int),
    ("skipped_2", int),
)
FIGURES = ("", "_reference", "_difference", "_log2_fold_change", "_haplotype_1", "_haplotype_2")

Row = list[object]


def columns(targets: Sequence[str]) -> list[tuple[str, type]]:
    """Name and type of each column: facts, then six figures a target."""
    return [*FACTS, *((f"{target}{figure}", float) for target in targets for figure in FIGURES)]


def rows(told: Mapping[str, Any], targets: Sequence[str]) -> Iterator[Row]:
    """The rows of an answer in its JSON form, with None where there is nothing to say."""
    for window in told.get("windows", (told,)):
        for individual in window["individuals"]:
            yield _row(window, individual, targets)


def _row(window: Mapping[str, Any], individual: Mapping[str, Any], targets: Sequence[str]) -> Row:
    place = window["reference"]
    pair = [*individual["haplotypes"], None, None][:2]
    row: Row = [individual["sample"], place["contig"], place["start"], place["end"], place["strand"]]
    row += [individual["phased"], *(each and each["applied"] for each in pair)]
    row += [each and len(each["skipped"]) for each in pair]
    for target in targets:
        row += [individual["values"][target], window["reference_values"][target], individual["difference"][target]]
        row.append(individual.get("log2_fold_change", {}).get(target))
        row += [each and each["values"][target] for each in pair]
    return row
