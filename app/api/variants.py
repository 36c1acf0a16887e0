"""POST /predict/variants: variants in, what each does to a prediction out."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from app.api.bodies import BodyLimits
from app.api.deadlines import DeadlineLimits
from app.api.exchange import exchange_of
from app.api.json_request import read_json
from app.api.places import interval_of
from app.api.replies import negotiate
from app.api.strict import exactly_one, validated
from app.api.variants_replies import variants_document, variants_response
from app.api.variants_schemas import VariantItem, VariantsRequest
from app.bundle import Manifest
from app.chunks import Errand
from app.errors import ItemError, UnknownRoute, Unprocessable
from app.genome.intervals import Window
from app.genome.variants import Variant, parse_variant
from app.genomes import Genomes
from app.predictor import Predictor
from app.reference_windows import window_of_gene, window_of_interval
from app.variants.effects import predict_effects
from app.variants.plan import Plan, plan_variants
from app.variants.question import ListPlace, Question, question_of_list, question_of_vcf

VARIANTS = "/predict/variants"


class VariantsRoute:
    """The handler and what it needs.

    Args:
        predictor: answers.
        genomes: what variants are about; None where there is no reference.
        bodies, deadlines: limits of a request.
    """

    def __init__(
        self,
        predictor: Predictor,
        genomes: Genomes | None,
        bodies: BodyLimits,
        deadlines: DeadlineLimits,
    ) -> None:
        self._predictor, self._genomes = predictor, genomes
        self._bodies, self._deadlines = bodies, deadlines

    async def variants(self, request: Request) -> Response:
        """Predict the effect of each variant."""
        genomes = self._genomes
        if genomes is None:
            raise UnknownRoute("This service has no reference, which variants are about; set `reference`.")
        self._predictor.refuse_while_draining()
        exchange = exchange_of(request.scope)
        answer_type = negotiate(exchange.fields.get("accept", "*/*"))
        document = await read_json(request, exchange, self._bodies)
        _refuse_too_many(document, self._predictor.limits.max_sequences)
        asked = validated(VariantsRequest, document)
        deadline = exchange.started + self._deadlines.chosen_ms(asked.deadline_ms, exchange.fields) / 1000
        model = self._predictor.sequence_model(asked.model)
        plan = await asyncio.to_thread(self._plan, asked, model.manifest, genomes)
        exchange.model, exchange.sequences = model.manifest.versioned_name, len(plan.sequences)
        if exchange.caller is not None:
            await exchange.caller.charge("sequences", len(plan.sequences))
        trace, in_segments = exchange.trace.traceparent, model.manifest.input.segments is not None
        pointer_of = plan.pointers.__getitem__
        errand = Errand(exchange.model, deadline, asked.priority, trace, pointer_of, in_segments)
        found = await predict_effects(self._predictor, plan, errand)
        exchange.seconds.update(found.seconds)
        exchange.tokens = found.tokens
        answer = await asyncio.to_thread(variants_document, model, found, genomes)
        return variants_response(answer, answer_type)

    def _plan(self, asked: VariantsRequest, manifest: Manifest, genomes: Genomes) -> Plan:
        most = self._predictor.limits.max_sequences
        if exactly_one(asked, "variants", "vcf") == "variants":
            question = _question(asked)
        else:
            text = [(asked.vcf or "").encode()]
            question = question_of_vcf(
                text,
                genomes.limits,
                passed_only=asked.filter == "pass",
                most=most,
                contig_bases=genomes.reference.bases_by_any_name,
            )
        return plan_variants(genomes, manifest, question, _window(asked, manifest, genomes), self._predictor.limits)


def _refuse_too_many(document: object, most: int) -> None:
    """Refuse a long list before each of its items is looked at."""
    variants = document.get("variants") if isinstance(document, dict) else None
    if isinstance(variants, list) and len(variants) > most:
        detail = f"{len(variants):,} variants; one request takes at most {most:,}. Send several."
        raise Unprocessable(detail, items=[ItemError("/variants", "too_many", detail)])


def _question(asked: VariantsRequest) -> Question:
    variants, faults = list[Variant](), list[ItemError]()
    for index, item in enumerate(asked.variants or ()):
        try:
            variants.append(_variant(item, ListPlace(index).pointer))
        except Unprocessable as error:
            faults += error.items
    if faults:
        raise Unprocessable(f"{len(faults)} variants are refused; nothing was predicted.", items=faults)
    return question_of_list(variants)


def _variant(item: str | VariantItem, pointer: str) -> Variant:
    if isinstance(item, str):
        return parse_variant(item, pointer)
    return Variant(item.contig, item.position, item.reference_bases.upper(), item.alternate_bases.upper())


def _window(asked: VariantsRequest, manifest: Manifest, genomes: Genomes) -> Window | None:
    """The window that a request says; None for one around each variant."""
    if asked.gene is None and asked.window is None:
        return None
    if exactly_one(asked, "gene", "window") == "gene":
        return window_of_gene(genomes, manifest, str(asked.gene))
    assert asked.window is not None  # noqa: S101 - exactly one is there
    return window_of_interval(genomes, manifest, interval_of(asked.window, asked.strand, "/window"), "/window")
