"""Shards computed by a Ray cluster: Ray Data hands them to one engine for each device.

An engine that is lost, with its process or its whole machine, takes at most what it was computing with it: the shards
that are not whole are handed out again to the engines that the cluster then has room for.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import socket
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from app import __version__
from app.errors import BasecastError, ShardError
from app.shards.folder import WorkFolder
from app.shards.in_process import SHARDS_AT_ONCE
from app.shards.plan import Shard
from app.shards.work import Work, Worker

CONNECT_SECONDS = 10.0
NO_CLUSTER = "no Ray cluster answers at RAY_ADDRESS; is `ray start --head` running there?"
FRUITLESS_ROUNDS = 3
WAVE_SHARDS = 8192  # Ray holds an object for each shard that it is handed
FIRST_GPU = "cuda:0"  # of those that Ray lets an engine see, which is one

Column = npt.NDArray[Any]
Round = Callable[[Sequence[Shard]], Iterator[Shard]]


@dataclass(frozen=True, slots=True)
class Engines:
    """How many engines a cluster has room for, and what each of them takes of it."""

    engines: int
    cpus: int
    gpus: int


def run_on_ray(work: Work, shards: Sequence[Shard]) -> Iterator[Shard]:
    """Compute shards on the cluster that Ray finds (`RAY_ADDRESS`, or one on this machine), else on one of its own.

    Raises:
        ShardError: Ray is not installed or no cluster answers, or one cannot be computed; those that are whole stay.
    """
    folder = WorkFolder(work.folder, work.ending)
    with _connected():
        for start in range(0, len(shards), WAVE_SHARDS):
            wave = shards[start : start + WAVE_SHARDS]
            yield from until_whole(folder, wave, lambda pending: _round(work, pending))


def until_whole(folder: WorkFolder, shards: Sequence[Shard], one_round: Round) -> Iterator[Shard]:
    """Hand out what is not whole again and again, and tell each shard once.

    Args:
        one_round: tells those that it has made; the others were lost with their engines.

    Raises:
        ShardError: nothing comes of it.
    """
    pending, fruitless = list(shards), 0
    while pending:
        told = set[Shard]()
        for shard in one_round(pending):
            told.add(shard)
            yield shard
        before, pending = pending, []
        for shard in before:
            if shard not in told and folder.is_done(shard):
                yield shard  # its engine did not live to tell
            elif shard not in told:
                pending.append(shard)
        fruitless = fruitless + 1 if pending == before else 0
        if fruitless == FRUITLESS_ROUNDS:
            raise ShardError("the engines end before they have computed anything; Ray's logs say why")


def engines_for(nodes: Sequence[Mapping[str, Any]], device: str) -> Engines:
    """One engine for each GPU; without any, or with `cpu`, for as many cores as the least machine has.

    Args:
        nodes: as Ray lists them.
        device: `auto`, `cpu` or `cuda:N`.

    Raises:
        ShardError: no machine of the cluster has such a device.
    """
    resources = [node["Resources"] for node in nodes if node["Alive"]]
    gpus = sum(int(each.get("GPU", 0)) for each in resources)
    cores = [int(each["CPU"]) for each in resources if each.get("CPU", 0) >= 1]
    if gpus and device != "cpu":
        return Engines(gpus, cpus=1, gpus=1)
    if device.startswith("cuda"):
        raise ShardError("the Ray cluster has no GPU; leave out --device, or say --device cpu")
    if not cores:
        raise ShardError("the Ray cluster has neither GPU nor CPU to compute with")
    return Engines(sum(each // min(cores) for each in cores), cpus=min(cores), gpus=0)


class RayShardWorker:
    """A worker inside a Ray actor; what fails is told and not raised, since Ray would only repeat it.

    Args:
        basecast: the version whose plan it is.
        threads: batches computed at once on a CPU.
        place: where it runs.
    """

    def __init__(self, work: Work, basecast: str, threads: int, place: Callable[[], str]) -> None:
        self._basecast = basecast
        self._work, self._threads, self._place = work, threads, place
        self._worker: Worker | None = None
        self._opening = threading.Lock()

    def __call__(self, batch: dict[str, Column]) -> dict[str, Column]:
        """Compute the shards in the rows of a batch; `error` is empty for those that are whole."""
        rows = zip(*(batch[field].tolist() for field in Shard._fields), strict=True)
        errors = [self._error(Shard(*row)) for row in rows]
        return batch | {"error": np.array(errors)}

    def close(self) -> None:
        """Give up what has not been begun."""
        if self._worker is not None:
            self._worker.close()

    def _error(self, shard: Shard) -> str:
        try:
            self._opened().work(shard)
        except BasecastError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - told where somebody reads it
            return f"an engine failed ({type(error).__name__})"
        return ""

    def _opened(self) -> Worker:
        with self._opening:
            if self._basecast != __version__:
                raise ShardError(f"Basecast {__version__} is installed on a worker, the run is of {self._basecast}")
            if self._worker is None:
                self._worker = self._work.open(self._threads, self._place())
            return self._worker


def _place() -> str:
    """The machine and process of an actor; Ray's word for the machine, since several may share a host."""
    import ray  # noqa: PLC0415 - an optional extra, that is there where this runs

    return f"{ray.get_runtime_context().get_node_id()[:12]}/{os.getpid()}"


def _round(work: Work, shards: Sequence[Shard]) -> Iterator[Shard]:
    """Hand out shards to as many engines as there is room for now; those of engines that are lost do not come back."""
    import ray.data  # noqa: PLC0415 - an optional extra

    engines = engines_for(ray.nodes(), work.device)  # type: ignore[no-untyped-call]
    work = work.on(FIRST_GPU if engines.gpus else "cpu", allow_cpu=not engines.gpus)
    waiting = ray.data.from_items([shard._asdict() for shard in shards], override_num_blocks=len(shards))
    pool = ray.data.ActorPoolStrategy(
        min_size=1,
        max_size=engines.engines,
        initial_size=engines.engines,
        max_tasks_in_flight_per_actor=SHARDS_AT_ONCE + 1,
        max_concurrent_calls_per_actor=SHARDS_AT_ONCE,
        enable_true_multi_threading=True,
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`ray_remote_args`", DeprecationWarning)  # nothing else says max_restarts yet
        computed = waiting.map_batches(
            RayShardWorker,
            fn_constructor_args=(work, __version__, engines.cpus, _place),
            batch_size=1,
            compute=pool,
            num_cpus=engines.cpus,
            num_gpus=engines.gpus,
            max_restarts=0,  # one that waits for room on a machine that is gone would keep its shards for ever
        )
    for batch in computed.iter_batches(batch_size=None, prefetch_batches=0, batch_format="numpy"):
        for *shard, error in zip(*(batch[name].tolist() for name in (*Shard._fields, "error")), strict=True):
            if error:
                raise ShardError(error)
            yield Shard(*shard)


def check_address(address: str) -> None:
    """Find out in seconds what Ray would for minutes try to find out.

    Args:
        address: as in `RAY_ADDRESS`; only `host:port` can be tried.

    Raises:
        ShardError: nothing listens there.
    """
    host, _, port = address.rpartition(":")
    if not host or "://" in address or not port.isdecimal():
        return
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
    except OSError:
        raise ShardError(NO_CLUSTER) from None


@contextmanager
def _connected() -> Iterator[None]:
    check_address(os.environ.get("RAY_ADDRESS", ""))
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray  # noqa: PLC0415 - an optional extra
        from ray.data import DataContext  # noqa: PLC0415
    except ImportError:
        raise ShardError("--engine ray needs Ray: pip install 'basecast[ray]'") from None
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.max_errored_blocks = -1  # a lost engine's shards are handed out again
    on_sigterm = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(log_to_driver=False, configure_logging=False, include_dashboard=False)
    except ConnectionError:
        raise ShardError(NO_CLUSTER) from None
    signal.signal(signal.SIGTERM, on_sigterm)  # Ray's own would dump the stack and abort
    try:
        yield
    except ray.exceptions.RayError as error:
        raise ShardError(
            f"the Ray cluster fails ({type(error).__name__}); begin the same again once it works"
        ) from None
    except BaseException as error:
        # What Ray Data left in these frames would go on, in a thread, with a cluster that it has no connection to.
        traceback.clear_frames(error.__traceback__)
        gc.collect()
        raise
    finally:
        ray.shutdown()
