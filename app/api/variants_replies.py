"""Effects of variants as JSON, CSV or NDJSON; the command line makes its tables of the same document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from starlette.responses import Response

from app.api.places import window_info
from app.api.replies import CSV, JSON, model_info
from app.api.rows import csv_response, json_response, ndjson_response
from app.bundle import Target
from app.genome.intervals import Window
from app.genomes import Genomes
from app.scales import shortest
from app.served_models import ServedModel
from app.tables import Column
from app.variants.effects import Effect, Effects

Document = Mapping[str, Any]
FACTS: tuple[Column, ...] = (
    ("contig", str),
    ("position", int),
    ("reference_bases", str),
    ("alternate_bases", str),
    ("start", int),
    ("end", int),
)
FIGURES = ("reference", "alternate", "difference", "log2_fold_change")


def variants_document(model: ServedModel, found: Effects, genomes: Genomes) -> dict[str, Any]:
    """What is answered; a contig's digest takes its time, so ask in a thread."""
    windows: dict[Window, dict[str, Any]] = {}
    for effect in found.effects:
        window = effect.placed.window
        if window not in windows:
            windows[window] = window_info(genomes, window)
    targets, plan = model.manifest.targets, found.plan
    return {
        "model": model_info(model),
        "counts": {
            "variants": len(plan.variants),
            "skipped": len(plan.skipped),
            "distinct_sequences": len(plan.sequences),
        },
        "variants": [_effect(effect, targets, windows[effect.placed.window]) for effect in found.effects],
        "skipped": [asdict(each.place) | {"reason": each.reason} for each in plan.skipped],
    }


def variants_response(document: Document, media_type: str) -> Response:
    """The reply, in the form that the caller accepts."""
    if media_type == JSON:
        return json_response(document)
    if media_type == CSV:
        targets = [target["name"] for target in document["model"]["targets"]]
        return csv_response(variants_columns(targets), variants_rows(document["variants"], targets))
    return ndjson_response(document["variants"])


def variants_columns(targets: Sequence[str]) -> list[Column]:
    """The columns of a table of effects."""
    return [*FACTS, *((f"{target}_{figure}", float) for target in targets for figure in FIGURES)]


def variants_rows(effects: Sequence[Document], targets: Sequence[str]) -> Iterator[list[object]]:
    """A row for each variant, with None where a fold change has no meaning."""
    for effect in effects:
        facts = [effect[name] for name in ("contig", "position", "reference_bases", "alternate_bases")]
        place = [effect["window"]["start"], effect["window"]["end"]]
        yield facts + place + [effect.get(figure, {}).get(target) for target in targets for figure in FIGURES]


def _effect(found: Effect, targets: Sequence[Target], window: Mapping[str, Any]) -> dict[str, Any]:
    # Told values first, so that the difference is theirs and not of digits that nobody sees.
    effect = replace(
        found, reference=list(map(shortest, found.reference)), alternate=list(map(shortest, found.alternate))
    )
    asked = effect.placed.asked
    names = [target.name for target in targets]
    changes = zip(names, effect.log2_fold_changes(tuple(targets)), strict=True)
    meaningful = {name: shortest(change) for name, change in changes if change is not None}
    return {
        "variant": str(asked.variant),
        **asdict(asked.variant),
        **asdict(asked.place),
        "window": window,
        "reference": _named(names, effect.reference),
        "alternate": _named(names, effect.alternate),
        "difference": _named(names, effect.difference),
        **({"log2_fold_change": meaningful} if meaningful else {}),
    }


def _named(names: Sequence[str], values: Sequence[float]) -> dict[str, float]:
    return dict(zip(names, map(shortest, values), strict=True))
