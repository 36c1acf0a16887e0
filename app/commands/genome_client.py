"""Who answers about genomes: this process with a reference that the command names, or a service with its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import typer

from app.client import Client
from app.client.local import open_local
from app.client.remote import connect
from app.commands.bundles import choose_bundle, models_folder
from app.commands.options import KEY_VARIABLE
from app.fuse import exit_at_once
from app.main import create_service
from app.settings import MEMORY_QUEUE, Settings, load_settings

DAY_MS = 24 * 3600 * 1000
# Nobody else is served: the user's own patience and memory are the limits.
UNHURRIED: dict[str, object] = {
    "default_deadline_ms": DAY_MS,
    "max_deadline_ms": DAY_MS,
    "max_body_bytes": 1 << 30,
    "max_sequences": 1 << 20,
    "max_total_bases": 1 << 32,
}


@dataclass(frozen=True, slots=True)
class Answering:
    """What the options say of who answers.

    Attributes:
        reference, genes: FASTA and gene table for predicting here.
    """

    url: str | None
    model: str | None
    models: Path | None
    device: str | None
    reference: Path | None = None
    genes: Path | None = None

    def check(self, *, needs_reference: bool) -> None:
        """Refuse options that contradict each other.

        Raises:
            BadParameter: a service has its own bundles, device, reference and genes; this process has no reference.
        """
        local = (self.models, self.device, self.reference, self.genes)
        if self.url is not None and any(option is not None for option in local):
            raise typer.BadParameter(
                "--reference, --genes, --models and --device are for predicting here, without --url"
            )
        if self.url is None and self.reference is None and needs_reference:
            raise typer.BadParameter("--reference names the FASTA; a service at --url has its own")


def local_settings(answering: Answering) -> Settings:
    """The settings of a service in this process."""
    bundle = choose_bundle(models_folder(answering.models), answering.model)
    genomes: dict[str, object] = {"reference": answering.reference, "genes": answering.genes, "cohorts": {}}
    settings = load_settings(models=bundle, device=answering.device, queue=MEMORY_QUEUE, **genomes, **UNHURRIED)
    return settings.model_copy(update={"api_keys_file": None})  # nobody asks who is here


@contextmanager
def open_client(answering: Answering) -> Iterator[Client]:
    """A client of the one or the other."""
    if answering.url is not None:
        with connect(answering.url, answering.model, os.environ.get(KEY_VARIABLE)) as client:
            yield client
        return
    service = create_service(local_settings(answering))
    service.backend.fuse.then(exit_at_once)
    with open_local(service) as client:
        yield client
