"""POST /predict/individual: a VCF and a region in, each person's predictions out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from app.api.bodies import JSON, BodyLimits, chunks, media_type, parse_json, read_body
from app.api.deadlines import DeadlineLimits
from app.api.events import EVENT_STREAM, EventResponse, Report
from app.api.exchange import Exchange, exchange_of
from app.api.fields import Fields
from app.api.individual_replies import FORMS, document, written
from app.api.individual_schemas import IndividualRequest, exactly_one, parse_individual_request, question_of
from app.api.multipart import MULTIPART, MultipartReader, boundary_of
from app.api.replies import negotiate
from app.errors import BodyTooLarge, UnknownRoute
from app.genome.sources import CohortSource, GenotypeSource, UploadSource
from app.genome.upload.reading import Children
from app.genomes import Genomes
from app.individual.people import PeoplePredictor, Prepared
from app.individual.prediction import Errand

MAX_REQUEST_BYTES = 1024 * 1024  # of a multipart body's JSON: names of samples, mostly


@dataclass(frozen=True, slots=True)
class Asked:
    """A request and where its genotypes come from, whatever form its body had."""

    request: IndividualRequest
    source: GenotypeSource
    upload: MultipartReader | None = None


class IndividualRoute:
    """The handler and what it needs.

    Args:
        people: answers; None where there is no reference.
        bodies, deadlines: limits of a request.
    """

    def __init__(self, people: PeoplePredictor | None, bodies: BodyLimits, deadlines: DeadlineLimits) -> None:
        self._people, self._bodies, self._deadlines = people, bodies, deadlines
        self._children = Children()

    async def predict(self, request: Request) -> Response:
        """Predict for each person of a VCF."""
        if self._people is None:
            raise UnknownRoute("This service has no reference, which people's genomes need; set `reference`.")
        exchange = exchange_of(request.scope)
        answer_type = negotiate(exchange.fields.get("accept", "*/*"), (*FORMS, EVENT_STREAM))
        prepared, request_ms = await self._prepare(request, exchange, self._people)
        if exchange.caller is not None:
            await exchange.caller.charge("sequences", prepared.sequences)
        exchange.sequences, exchange.model = prepared.sequences, prepared.model.manifest.versioned_name
        deadline = time.monotonic() + request_ms / 1000
        if answer_type == EVENT_STREAM:
            return EventResponse(lambda report: self._answer(prepared, deadline, exchange, JSON, report))
        body = await self._answer(prepared, deadline, exchange, answer_type)
        return Response(body, media_type=answer_type)

    async def _prepare(self, request: Request, exchange: Exchange, people: PeoplePredictor) -> tuple[Prepared, int]:
        """Read the body and the genotypes; also the time that the answer may take after that."""
        began = exchange.phases_began = time.monotonic()
        asked = await self._asked(request, exchange, people.genomes)
        request_ms = self._deadlines.chosen_ms(asked.request.deadline_ms, exchange.fields)
        prepared = await people.prepare(question_of(asked.request), asked.source)
        if asked.upload is not None:
            await asked.upload.expect_end()
        exchange.seconds["parse"] = time.monotonic() - began
        return prepared, request_ms

    async def _answer(
        self, prepared: Prepared, deadline: float, exchange: Exchange, answer_type: str, report: Report | None = None
    ) -> bytes:
        done = 0

        def progress(more: int) -> None:
            nonlocal done
            done += more
            if report is not None:
                report({"done": done, "total": prepared.sequences})

        assert self._people is not None  # noqa: S101 - asked before
        errand = Errand(deadline, exchange.trace.traceparent, progress)
        answer = await self._people.answer(prepared, errand)
        timing = answer.timing
        exchange.seconds |= {"tokenize": timing.tokenize, "queue": timing.queue, "compute": timing.compute}
        exchange.tokens = timing.tokens
        return await asyncio.to_thread(lambda: written(document(answer), answer_type))

    async def _asked(self, request: Request, exchange: Exchange, genomes: Genomes) -> Asked:
        if media_type(exchange.fields, (JSON, MULTIPART)) == MULTIPART:
            return await self._from_multipart(request, exchange.fields, genomes)
        body = await read_body(exchange, request.receive, self._bodies)
        parsed = await asyncio.to_thread(lambda: parse_individual_request(parse_json(body)))
        if (parsed.cohort is None) == (parsed.vcf is None):
            raise exactly_one("cohort", "vcf")
        if parsed.cohort is not None:
            return Asked(parsed, CohortSource(genomes.cohort(parsed.cohort)))
        return Asked(parsed, self._upload(_once((parsed.vcf or "").encode()), genomes))

    async def _from_multipart(self, request: Request, fields: Fields, genomes: Genomes) -> Asked:
        reader = MultipartReader(chunks(request.receive), boundary_of(fields["content-type"]))
        await reader.expect("request")
        parsed = parse_individual_request(parse_json(await _collected(reader)))
        if parsed.cohort is not None or parsed.vcf is not None:
            raise exactly_one("cohort", "vcf")
        await reader.expect("vcf")
        return Asked(parsed, self._upload(reader.content(), genomes), reader)

    def _upload(self, content: AsyncGenerator[bytes, None], genomes: Genomes) -> UploadSource:
        return UploadSource(content, genomes.limits, self._children)


async def _collected(reader: MultipartReader) -> bytes:
    body = bytearray()
    async for chunk in reader.content():
        body += chunk
        if len(body) > MAX_REQUEST_BYTES:
            raise BodyTooLarge(f"The part `request` has at most {MAX_REQUEST_BYTES} bytes.")
    return bytes(body)


async def _once(content: bytes) -> AsyncGenerator[bytes, None]:
    yield content
