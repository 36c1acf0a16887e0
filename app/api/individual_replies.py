"""Answers for people as JSON, CSV or NDJSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic_core import to_json

from app.api.replies import CSV, JSON, NDJSON, model_info
from app.individual.answer import Counts, HaplotypeAnswer, IndividualAnswer, Place, WindowAnswer
from app.individual.dosages import DosageAnswer
from app.individual.people import Answer
from app.individual_table import columns, rows
from app.scales import shortest

CAVEAT = (
    "Research use. Sequence models predict differences between people poorly: compare with a model that was trained on "
    "genotypes where there is one, and read nothing clinical into a value."
)
CAVEAT_OF_DOSAGES = (
    "Research use. The weights hold for people like those that the model learnt from: "
    "read nothing clinical into a value."
)


def document(answer: Answer) -> dict[str, Any]:
    """The answer as the JSON form has it."""
    head = {"model": model_info(answer.model)}
    if answer.model.variants is not None:
        return (
            head
            | _of_dosages(answer.dosages[0], answer.question.samples)
            | {"companions": [], "caveat": CAVEAT_OF_DOSAGES}
        )
    windows = [_window(window) for window in answer.windows]
    if answer.question.tile:
        return head | {"windows": windows, "caveat": CAVEAT}
    companions = [_companion(each, answer.question.samples) for each in answer.dosages]
    return head | windows[0] | {"companions": companions, "caveat": CAVEAT}


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
            beside = {"companions": list(_beside(told, individual["sample"])), "caveat": told["caveat"]}
            lines += to_json(individual | place | {"reference_values": window["reference_values"]} | beside) + b"\n"
    return bytes(lines)


def _beside(told: Mapping[str, Any], sample: str) -> Iterator[dict[str, Any]]:
    """What each companion says of one person."""
    for companion in told.get("companions", ()):
        found = [each["values"] for each in companion["individuals"] if each["sample"] == sample]
        yield {name: companion[name] for name in companion if name != "individuals"} | {
            "values": found[0] if found else {}
        }


def _csv(told: Mapping[str, Any]) -> bytes:
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow([name for name, _ in columns(told)])
    writer.writerows(rows(told))
    return table.getvalue().encode()


def _window(answer: WindowAnswer) -> dict[str, Any]:
    return {
        "reference": _place(answer.place),
        "reference_values": _rounded(answer.reference_values),
        "counts": _counts(answer.counts),
        "individuals": [_individual(individual) for individual in answer.individuals],
    }


def _companion(answer: DosageAnswer, wanted: Sequence[str] | None) -> dict[str, Any]:
    gene_model = answer.prepared.gene_model
    return {
        "model": gene_model.model.manifest.name,
        "version": gene_model.model.manifest.version,
        "variants_in_model": gene_model.variants_in_model,
        "variants_found": answer.prepared.variants_found,
        "individuals": [
            {"sample": sample, "values": {gene_model.target: shortest(value)}}
            for sample, value in _in_order(answer.values, wanted)
        ],
    }


def _of_dosages(answer: DosageAnswer, wanted: Sequence[str] | None) -> dict[str, Any]:
    """In the form of a sequence model's answer, without haplotypes."""
    prepared, target = answer.prepared, answer.prepared.gene_model.target
    reference = answer.reference_value or 0.0
    counts = Counts(len(answer.values), 0, 0, prepared.records, prepared.variants_found, 0)
    individuals = [
        {
            "sample": sample,
            "values": {target: shortest(value)},
            "difference": {target: shortest(value - reference)},
            "haplotypes": [],
            "phased": True,
            "notes": [],
        }
        for sample, value in _in_order(answer.values, wanted)
    ]
    return {
        "reference": _place(prepared.place),
        "reference_values": {target: shortest(reference)},
        "counts": _counts(counts),
        "variants_in_model": prepared.gene_model.variants_in_model,
        "variants_found": prepared.variants_found,
        "individuals": individuals,
    }


def _in_order(values: Mapping[str, float], wanted: Sequence[str] | None) -> list[tuple[str, float]]:
    """Nothing where no variant was found."""
    return [(sample, values[sample]) for sample in wanted or values if sample in values]


def _counts(counts: Counts) -> dict[str, int]:
    told = {name: getattr(counts, name) for name in Counts.__slots__}
    return {name: number for name, number in told.items() if number is not None}


def _place(place: Place) -> dict[str, Any]:
    interval = place.window.interval
    return {
        "assembly": place.assembly,
        "refget": place.refget,
        "contig": interval.contig,
        "start": interval.start,
        "end": interval.end,
        "strand": interval.strand,
        "anchor": place.window.anchor,
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
