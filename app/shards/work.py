"""What there is to do, as every machine of a run is told, and what does it there."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from app.errors import ShardError
from app.shards.plan import Shard


class Worker(Protocol):
    """Computes shards on one device; safe to use from several threads."""

    def work(self, shard: Shard) -> None:
        """Compute a shard and lay it into the folder.

        Raises:
            BasecastError: it cannot be read, computed or written.
        """

    def close(self) -> None:
        """Give up what has not been begun."""


class Work(Protocol):
    """Plain data that a worker is made from.

    Attributes:
        folder: for the tables, of the form that `ending` says.
        device: `auto`, `cpu` or `cuda:N`.
    """

    @property
    def folder(self) -> Path: ...

    @property
    def ending(self) -> str: ...

    @property
    def device(self) -> str: ...

    def on(self, device: str, *, allow_cpu: bool) -> Work:
        """The same work on another device."""

    def open(self, threads: int, place: str) -> Worker:
        """A worker for it.

        Args:
            threads: batches computed at once on a CPU.
            place: machine and process, as the parts will tell it.

        Raises:
            BundleError: the model cannot be used here.
            ShardError: the bundle here is not the one that the plan was made with.
        """


def check_model(sha256: str, planned: str) -> None:
    """Refuse another bundle than the plan's.

    Raises:
        ShardError: it is another.
    """
    if sha256 != planned:
        raise ShardError("the bundle on a worker is not the one that the run began with")
