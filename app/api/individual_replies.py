"""Answers for people as JSON, CSV or NDJSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

from pydantic_core import to_json

from app.api.replies import CSV, JSON, NDJSON, model_info, shortest
from app.individual.answer import HaplotypeAnswer, IndividualAnswer, WindowAnswer
from app.individual.people import Answer
from app.individual_table import columns, rows

CAVEAT = (
    "Research use. Sequence models predict differences between people poorly: compare with a model that was trained on "
    "genotypes where there is one, and read nothing clinical into a value."
)


def document(answer: Answer) -> dict[str, Any]:
    """The answer as the JSON form has it."""
    head = {"model": model_info(answer.model)}
    windows = [_window(window) for window in answer.windows]
    if answer.question.tile:
        return head | {"windows": windows, "caveat": CAVEAT}
    return head | windows[0] | {"companions": [], "caveat": CAVEAT}


def written(told: Mapping[str, Any], media_type: str) -> bytes:
    """A document of `document` in one of the forms."""
    if media_type == JSON:
        return to_json(told)
    return _ndjson(told) if media_type == NDJSON else _csv(told)


FORMS = (JSON, CSV, NDJSON)


def _ndjson(told: Mapping[str, Any]) -> bytes:
    lines = bytearray()
    for window in told.get("windows", (told,)):
        place = {key: window["reference"][key] for key in ("contig", "start", "end", "strand")}
        for individual in window["individuals"]:
            lines += to_json(individual | place | {"reference_values": window["reference_values"]}) + b"\n"
    return bytes(lines)


def _csv(told: Mapping[str, Any]) -> bytes:
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    targets = [target["name"] for target in told["model"]["targets"]]
    writer.writerow([name for name, _ in columns(targets)])
    writer.writerows(rows(told, targets))
    return table.getvalue().encode()


def _window(answer: WindowAnswer) -> dict[str, Any]:
    interval = answer.window.interval
    return {
        "reference": {
            "assembly": answer.assembly,
            "refget": answer.refget,
            "contig": interval.contig,
            "start": interval.start,
            "end": interval.end,
            "strand": interval.strand,
            "anchor": answer.window.anchor,
        },
        "reference_values": _rounded(answer.reference_values),
        "counts": {name: getattr(answer.counts, name) for name in answer.counts.__slots__},
        "individuals": [_individual(individual) for individual in answer.individuals],
    }


def _individual(answer: IndividualAnswer) -> dict[str, Any]:
    told = {
        "sample": answer.sample,
        "values": _rounded(answer.values),
        "difference": _rounded(answer.difference),
        "log2_fold_change": _rounded(answer.log2_fold_change),
        "haplotypes": [_haplotype(haplotype) for haplotype in answer.haplotypes],
        "phased": bool(answer.phased),
        "notes": list(answer.notes),
    }
    if not answer.log2_fold_change:
        del told["log2_fold_change"]
    return told


def _haplotype(answer: HaplotypeAnswer) -> dict[str, Any]:
    return {
        "index": answer.index,
        "values": _rounded(answer.values),
        "applied": answer.applied,
        "skipped": [{"position": skipped.position, "reason": skipped.reason} for skipped in answer.skipped],
        "anchor_offset": answer.anchor_offset,
    }


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: shortest(value) for name, value in values.items()}
