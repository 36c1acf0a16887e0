"""POST /predict/mutagenesis: a sequence or an interval in, the effect of every substitution out."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from app.api.bodies import BodyLimits
from app.api.deadlines import DeadlineLimits
from app.api.exchange import exchange_of
from app.api.json_request import read_json
from app.api.mutagenesis_replies import mutagenesis_document, mutagenesis_response
from app.api.mutagenesis_schemas import MutagenesisRequest
from app.api.places import interval_of, window_info
from app.api.replies import negotiate
from app.api.strict import exactly_one, validated
from app.bundle import Manifest
from app.chunks import Errand
from app.genome.intervals import Interval, Window
from app.genomes import Genomes
from app.mutagenesis import Sweep, check_size, mutagenesis, sweep_interval, sweep_sequence
from app.predictor import Predictor
from app.reference_windows import configured, window_of_gene, window_of_interval

MUTAGENESIS = "/predict/mutagenesis"


@dataclass(frozen=True, slots=True)
class Subject:
    """What a request is about.

    Attributes:
        pointer: to the field that says so.
        window: what is read of the reference; None for a sequence.
    """

    sweep: Sweep
    pointer: str
    window: Window | None = None


class MutagenesisRoute:
    """The handler and what it needs.

    Args:
        predictor: answers.
        genomes: where intervals and genes are; without it only sequences are taken.
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

    async def mutagenesis(self, request: Request) -> Response:
        """Predict every substitution of a part of a sequence."""
        self._predictor.refuse_while_draining()
        exchange = exchange_of(request.scope)
        answer_type = negotiate(exchange.fields.get("accept", "*/*"))
        asked = validated(MutagenesisRequest, await read_json(request, exchange, self._bodies))
        deadline = exchange.started + self._deadlines.chosen_ms(asked.deadline_ms, exchange.fields) / 1000
        model = self._predictor.sequence_model(asked.model)
        subject = await asyncio.to_thread(self._subject, asked, model.manifest)
        check_size(subject.sweep, self._predictor.limits, subject.pointer)
        exchange.model, exchange.sequences = model.manifest.versioned_name, subject.sweep.sequences
        if exchange.caller is not None:
            await exchange.caller.charge("sequences", subject.sweep.sequences)
        trace, in_segments = exchange.trace.traceparent, model.manifest.input.segments is not None
        errand = Errand(exchange.model, deadline, "bulk", trace, lambda _: subject.pointer, in_segments)
        found = await mutagenesis(self._predictor, subject.sweep, errand)
        exchange.seconds.update(found.seconds)
        exchange.tokens = found.tokens
        window = await asyncio.to_thread(self._window_info, subject.window)
        document = mutagenesis_document(model, found, window, centre=asked.centre)
        return mutagenesis_response(document, answer_type)

    def _subject(self, asked: MutagenesisRequest, manifest: Manifest) -> Subject:
        field = exactly_one(asked, "sequence", "interval", "gene")
        if asked.sequence is not None:
            sweep = sweep_sequence(asked.sequence, asked.start, asked.end)
            return Subject(sweep.first(asked.most_positions), f"/{field}")
        genomes = configured(self._genomes, f"/{field}")
        window, default = _window(asked, manifest, genomes)
        stretch = genomes.reference.stretch(window.interval, f"/{field}")
        sweep = sweep_interval(stretch, window.interval, default, asked.start, asked.end)
        return Subject(sweep.first(asked.most_positions), f"/{field}", window)

    def _window_info(self, window: Window | None) -> dict[str, object] | None:
        return None if window is None or self._genomes is None else window_info(self._genomes, window)


def _window(asked: MutagenesisRequest, manifest: Manifest, genomes: Genomes) -> tuple[Window, Interval]:
    """What the model reads, and what is changed of it where the request does not say."""
    if asked.gene is not None:
        window = window_of_gene(genomes, manifest, asked.gene)
        return window, window.interval
    assert asked.interval is not None  # noqa: S101 - exactly one is there
    interval = interval_of(asked.interval, asked.strand, "/interval")
    return window_of_interval(genomes, manifest, interval, "/interval"), interval
