"""The service inside this process: the same predictor, queue and workers that answer HTTP."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

from app.api.individual_replies import document
from app.api.individual_schemas import parse_individual_request, question_of
from app.client import Client, Prediction, Progress
from app.client.in_process import post
from app.client.problems import refusal
from app.errors import SettingsError
from app.genome.file_source import open_file
from app.individual.prediction import Errand
from app.main import Service
from app.scales import shortest

T = TypeVar("T")

DEADLINE_SECONDS = 24 * 3600.0  # nobody but the user waits, and Ctrl-C ends it


@contextmanager
def open_local(service: Service) -> Iterator[Client]:
    """A client of the service in this process, which runs as long as the client is used."""
    client = LocalClient(service)
    try:
        yield client
    finally:
        client.close()


class LocalClient:
    """The service in this process: its event loop and workers run in a thread beside the caller's.

    Args:
        service: loaded, and not served by anybody else; its first model predicts.
    """

    def __init__(self, service: Service) -> None:
        manifest = service.predictor.models[0].manifest
        self.model, self.targets = f"{manifest.name}@{manifest.version}", manifest.target_names
        self._service = service
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="service", daemon=True)
        self._thread.start()
        self._running = service.running()
        self._in_loop(self._running.__aenter__())

    def predict(self, sequences: Sequence[str]) -> list[Prediction]:
        return self._in_loop(self._predict(sequences))

    def predict_people(self, request: Mapping[str, Any], vcf: Path, progress: Progress) -> dict[str, Any]:
        return self._in_loop(self._predict_people(request, vcf, progress))

    def ask(self, route: str, request: Mapping[str, Any]) -> dict[str, Any]:
        status, told = self._in_loop(post(self._service.app, route, {**request, "model": self.model}))
        if status != HTTPStatus.OK:
            raise refusal(self.model, status, told, told.get("retry_after_ms"))
        return told

    def close(self) -> None:
        """Stop the workers and give up what is still being computed."""
        self._in_loop(self._running.__aexit__(None, None, None))
        self._in_loop(self._give_up())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _in_loop(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _predict(self, sequences: Sequence[str]) -> list[Prediction]:
        deadline = time.monotonic() + DEADLINE_SECONDS
        found = await self._service.predictor.predict(self.model, sequences, deadline, "bulk")
        rows = zip(found.bases, found.tokens, found.values, strict=True)
        return [Prediction(bases, tokens, tuple(map(shortest, values))) for bases, tokens, values in rows]

    async def _predict_people(self, request: Mapping[str, Any], vcf: Path, progress: Progress) -> dict[str, Any]:
        people, done = self._service.people, 0
        if people is None:
            raise SettingsError("reference: people's genomes need one")
        question = question_of(parse_individual_request({**request, "model": self.model}))
        prepared = await people.prepare(question, open_file(vcf, people.genomes.limits))

        def report(more: int) -> None:
            nonlocal done
            done += more
            progress(done, prepared.sequences)

        errand = Errand(time.monotonic() + DEADLINE_SECONDS, progress=report)
        return document(await people.answer(prepared, errand))

    async def _give_up(self) -> None:
        waiting = asyncio.all_tasks() - {asyncio.current_task()}
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
