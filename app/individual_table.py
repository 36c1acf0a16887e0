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
Document = Mapping[str, Any]


def columns(told: Document) -> list[tuple[str, type]]:
    """Name and type of each column of an answer in its JSON form: facts, six figures a target, companions, caveat."""
    beside = [column for companion in told.get("companions", ()) for column in _companion_columns(companion)]
    return columns_of(_targets(told), beside)


def columns_of(targets: Sequence[str], beside: Sequence[tuple[str, type]] = ()) -> list[tuple[str, type]]:
    """The same of a model of these targets, by itself unless others' columns stand beside."""
    figures = [(f"{target}{figure}", float) for target in targets for figure in FIGURES]
    return [*FACTS, *figures, *beside, ("caveat", str)]


def rows(told: Document) -> Iterator[Row]:
    """The rows of such an answer, with None where there is nothing to say."""
    targets, companions = _targets(told), told.get("companions", ())
    values_of = [{each["sample"]: each["values"] for each in companion["individuals"]} for companion in companions]
    for window in told.get("windows", (told,)):
        for individual in window["individuals"]:
            row = _row(window, individual, targets)
            for companion, values in zip(companions, values_of, strict=True):
                row += [companion["variants_in_model"], companion["variants_found"]]
                row += values.get(individual["sample"], {}).values()
            yield [*row, told["caveat"]]


def _targets(told: Document) -> list[str]:
    return list(told.get("windows", (told,))[0]["reference_values"])


def _companion_columns(companion: Document) -> Iterator[tuple[str, type]]:
    """How many variants a model of dosages has and found; then its values, where it answers."""
    for count in ("variants_in_model", "variants_found"):
        yield f"{companion['model']}_{count}", int
    for individual in companion["individuals"][:1]:
        yield from ((f"{companion['model']}_{target}", float) for target in individual["values"])


def _row(window: Document, individual: Document, targets: Sequence[str]) -> Row:
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
