"""POST /predict: sequences in, predictions out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import NamedTuple, cast, get_args

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from app.api.bodies import FASTA, JSON, BodyLimits, NamedSequence, media_type, parse_fasta, parse_json, read_body
from app.api.deadlines import DeadlineLimits
from app.api.exchange import Exchange, exchange_of
from app.api.replies import negotiate, predictions_response
from app.api.schemas import PredictRequest, SequenceItem, check_sequence_ids, parse_predict_request
from app.batching import Priority
from app.errors import ItemError, Unprocessable
from app.predictor import Predictor

# From here on a body made for it could keep the event loop from everybody else for long.
LARGE_BODY_BYTES = 262_144
QUERY_PARAMETERS = {"model", "priority"}
USUAL_FIELDS = {"model", "sequences"}


class Query(NamedTuple):
    """What may stand in the query instead of the body; a field of the body wins."""

    model: str | None = None
    priority: Priority = "interactive"


NO_QUERY = Query()


class Call(NamedTuple):
    """A prediction request, whatever form its body had."""

    model: str | None
    ids: Sequence[str]
    sequences: Sequence[str]
    priority: Priority
    deadline_ms: int | None


class PredictRoute:
    """The handler and what it needs.

    Args:
        predictor: answers.
        bodies, deadlines: limits of a request.
    """

    def __init__(self, predictor: Predictor, bodies: BodyLimits, deadlines: DeadlineLimits) -> None:
        self._predictor, self._bodies, self._deadlines = predictor, bodies, deadlines

    async def predict(self, request: Request) -> Response:
        """Predict the targets of each sequence."""
        exchange = exchange_of(request.scope)
        answer_type = negotiate(exchange.fields.get("accept", "*/*"))
        call = await self._parse(request, exchange)
        if exchange.caller is not None:
            await exchange.caller.charge("sequences", len(call.sequences))
        deadline = exchange.started + self._deadlines.chosen_ms(call.deadline_ms, exchange.fields) / 1000
        exchange.sequences = len(call.sequences)
        predictions = await self._predictor.predict(
            call.model, call.sequences, deadline, call.priority, exchange.trace.traceparent
        )
        exchange.seconds.update(predictions.seconds)
        exchange.model, exchange.tokens = predictions.model.manifest.versioned_name, sum(predictions.tokens)
        return predictions_response(predictions, call.ids, answer_type)

    async def _parse(self, request: Request, exchange: Exchange) -> Call:
        kind = media_type(exchange.fields, (JSON, FASTA))
        query = _parse_query(request.query_params) if request.scope["query_string"] else NO_QUERY
        body = await read_body(exchange, request.receive, self._bodies)
        began = exchange.phases_began = time.monotonic()
        if len(body) < LARGE_BODY_BYTES:
            call = self._call(kind, body, query)
        else:
            call = await asyncio.to_thread(self._call, kind, body, query)
        exchange.seconds["parse"] = time.monotonic() - began
        return call

    def _call(self, kind: str, body: bytes, query: Query) -> Call:
        if kind == JSON:
            document, max_sequences = parse_json(body), self._bodies.max_sequences
            usual = usual_call(document, max_sequences, query)
            return usual or _from_json(parse_predict_request(document, max_sequences), query)
        return _from_fasta(parse_fasta(body, self._bodies.max_sequences), query)


def usual_call(document: object, max_sequences: int, query: Query) -> Call | None:
    """The call of a document of bare sequences, with or without a model; None for any other, which the schema judges.

    What is taken here the schema takes too, and reads alike, at three times the price.
    """
    if not isinstance(document, dict) or not document.keys() <= USUAL_FIELDS:
        return None
    sequences, model = document.get("sequences"), document.get("model")
    if not isinstance(sequences, list) or len(sequences) > max_sequences or set(map(type, sequences)) != {str}:
        return None
    if not isinstance(model, str | None):
        return None
    ids = [str(index) for index in range(len(sequences))]
    return Call(query.model if model is None else model, ids, sequences, query.priority, None)


def _from_json(request: PredictRequest, query: Query) -> Call:
    items = request.sequences
    return Call(
        query.model if request.model is None else request.model,
        [item.id if isinstance(item, SequenceItem) else str(index) for index, item in enumerate(items)],
        [item.sequence if isinstance(item, SequenceItem) else item for item in items],
        request.priority if "priority" in request.model_fields_set else query.priority,
        request.deadline_ms,
    )


def _from_fasta(records: Sequence[NamedSequence], query: Query) -> Call:
    ids = [record.id for record in records]
    check_sequence_ids(ids)
    return Call(query.model, ids, [record.sequence for record in records], query.priority, None)


def _parse_query(parameters: QueryParams) -> Query:
    given = parameters.multi_items()
    names = [name for name, _ in given]
    if len(set(names)) < len(names) or not set(names) <= QUERY_PARAMETERS:
        detail = f"Query parameters are {', '.join(sorted(QUERY_PARAMETERS))}, each at most once."
        raise Unprocessable(detail, items=[ItemError("", "invalid_field", detail)])
    priority = parameters.get("priority", "interactive")
    if priority not in get_args(Priority):
        detail = f"The priority is {' or '.join(get_args(Priority))}."
        raise Unprocessable(detail, items=[ItemError("", "invalid_value", detail)])
    return Query(parameters.get("model"), cast("Priority", priority))
