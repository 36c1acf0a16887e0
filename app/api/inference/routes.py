"""The routes of the protocol."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from app.api.bodies import JSON, BodyLimits, media_type, read_body
from app.api.deadlines import DeadlineLimits
from app.api.exchange import Exchange, exchange_of
from app.api.inference.asked import Asked, TokenIds, read_request
from app.api.inference.messages import SEQUENCES
from app.api.inference.replies import OCTETS, infer_response, model_metadata, server_metadata
from app.api.inference.tensors import refused
from app.api.json_request import LARGE_BODY_BYTES
from app.errors import ItemError, ServiceError, Unprocessable
from app.predictor import Predictions, Predictor
from app.served_models import ServedModel

SEQUENCES_POINTER = "/sequences"

MODEL = "/v2/models/{name}"
MODEL_VERSION = f"{MODEL}/versions/{{version}}"
INFER, INFER_VERSION = f"{MODEL}/infer", f"{MODEL_VERSION}/infer"


class HotPath(NamedTuple):
    """Who answers a path, and what its route is called."""

    handler: Callable[[Request], Awaitable[Response]]
    template: str


class InferenceRoutes:
    """The handlers and what they need.

    Args:
        predictor: answers.
        ready: whether the whole service takes requests.
        bodies, deadlines: limits of a request.
    """

    def __init__(
        self,
        predictor: Predictor,
        ready: Callable[[], Awaitable[Response]],
        bodies: BodyLimits,
        deadlines: DeadlineLimits,
    ) -> None:
        self._predictor, self._ready = predictor, ready
        self._bodies, self._deadlines = bodies, deadlines

    async def server(self) -> dict[str, Any]:
        """What this server is, and which extensions of the protocol it speaks."""
        return server_metadata()

    async def model(self, name: str, version: str | None = None) -> dict[str, Any]:
        """What a model reads and answers."""
        model = self._model(name, version)
        same = [it.manifest.version for it in self._predictor.models if it.manifest.name == model.manifest.name]
        return model_metadata(model.manifest, same)

    async def model_ready(self, name: str, version: str | None = None) -> Response:
        """Whether a model takes requests: it is loaded, and the service is ready."""
        self._model(name, version)
        return await self._ready()

    async def infer(self, request: Request, name: str, version: str | None = None) -> Response:
        """Predict the targets of each sequence, as text in the tensor `sequences` or encoded in `input_ids`."""
        self._predictor.refuse_while_draining()
        exchange = exchange_of(request.scope)
        model = self._model(name, version)
        asked = await self._read(request, exchange)
        exchange.model, exchange.sequences = model.manifest.versioned_name, len(asked.sequences)
        if exchange.caller is not None:
            await exchange.caller.charge("sequences", len(asked.sequences))
        deadline_ms = self._deadlines.chosen_ms(asked.deadline_ms, exchange.fields, "/parameters/timeout")
        deadline = exchange.started + deadline_ms / 1000
        try:
            predictions = await self._predict(model, asked, deadline, exchange.trace.traceparent)
        except ServiceError as error:
            raise _in_the_tensor(error, asked.pointer) from None
        exchange.seconds.update(predictions.seconds)
        exchange.tokens = sum(predictions.tokens)
        return infer_response(predictions, asked.id, binary=asked.binary)

    async def _predict(self, model: ServedModel, asked: Asked, deadline: float, trace: str | None) -> Predictions:
        if not isinstance(asked.sequences, TokenIds):
            name = model.manifest.versioned_name
            return await self._predictor.predict(name, asked.sequences, deadline, asked.priority, trace)
        if not model.manifest.input.reads_token_ids:
            raise refused("/inputs", f"This model does not read token ids; send `{SEQUENCES}`.")
        return await self._predictor.predict_ids(model, asked.sequences.rows, deadline, asked.priority, trace)

    def hot(self) -> dict[str, HotPath]:
        """The path of each loaded model's inference, which does not take FastAPI's way."""
        found: dict[str, HotPath] = {}
        for model in self._predictor.models:
            name, version = model.manifest.name, model.manifest.version
            found[INFER.format(name=name)] = HotPath(partial(self.infer, name=name), INFER)
            pinned = HotPath(partial(self.infer, name=name, version=version), INFER_VERSION)
            found[INFER_VERSION.format(name=name, version=version)] = pinned
        return found

    def _model(self, name: str, version: str | None) -> ServedModel:
        return self._predictor.model(name if version is None else f"{name}@{version}")

    async def _read(self, request: Request, exchange: Exchange) -> Asked:
        if "content-type" in exchange.fields:  # Triton's clients send none
            media_type(exchange.fields, (JSON, OCTETS))
        body = await read_body(exchange, request.receive, self._bodies)
        began = exchange.phases_began = time.monotonic()
        if len(body) < LARGE_BODY_BYTES:
            asked = read_request(body, exchange.fields, self._bodies)
        else:
            asked = await asyncio.to_thread(read_request, body, exchange.fields, self._bodies)
        exchange.seconds["parse"] = time.monotonic() - began
        return asked


def _in_the_tensor(error: ServiceError, pointer: str) -> ServiceError:
    """The same error, its items pointed at where this protocol has the sequences."""
    if not error.items:
        return error
    items = [_moved(item, pointer) for item in error.items]
    if isinstance(error, Unprocessable):
        return Unprocessable(error.detail, items=items)
    return type(error)(error.detail, retry_after_ms=error.retry_after_ms, items=items)


def _moved(item: ItemError, pointer: str) -> ItemError:
    return ItemError(item.pointer.replace(SEQUENCES_POINTER, pointer, 1), item.code, item.detail, item.position)
