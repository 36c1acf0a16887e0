"""The process that computes: its signals, its probes, its end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from functools import partial

from uvicorn.loops.auto import auto_loop_factory

from app import __version__
from app.api.health import HealthRoutes
from app.checks import always_ok, fuse_is_whole, in_reach, not_draining
from app.fuse import exit_at_once
from app.garbage import keep_what_is_there
from app.huge_pages import settle_on_huge_pages
from app.probes import answering_probes
from app.pulse import pulse
from app.worker_process import WorkerProcess

log = logging.getLogger(__name__)


def work(process: WorkerProcess, listener: socket.socket | None = None) -> None:
    """Compute until SIGTERM or SIGINT; returns when everything that was begun is settled, and the rest given back.

    Args:
        process: what computes.
        listener: where /metrics, /livez and /readyz are answered, if anywhere.

    Raises:
        SettingsError: the queue loses requests or is too old, or the heartbeat file cannot be written.
    """
    with asyncio.Runner(loop_factory=auto_loop_factory()) as runner:
        runner.run(_work(process, listener))


async def _work(process: WorkerProcess, listener: socket.socket | None) -> None:
    process.fuse.then(exit_at_once)
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):  # a second one changes nothing
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    settle_on_huge_pages()
    async with contextlib.AsyncExitStack() as running:
        await running.enter_async_context(process.running())
        if listener is not None:
            await running.enter_async_context(answering_probes(_health(process, stopping), listener))
        await running.enter_async_context(_pulse(process, stopping))
        keep_what_is_there()
        _announce(process)
        await stopping.wait()
        log.info("draining")
        await _drain(process)
    log.info("stopped")


async def _drain(process: WorkerProcess) -> None:
    try:
        await process.drain()
    except TimeoutError:
        process.fuse.blow(f"a batch was not done {process.settings.drain_ms} ms after SIGTERM")


def _announce(process: WorkerProcess) -> None:
    models = [manifest.versioned_name for manifest in process.manifests]
    fields = {"worker": process.side.name, "models": models, "provider": process.provider, "version": __version__}
    log.info("worker ready", extra=fields)


def _health(process: WorkerProcess, stopping: asyncio.Event) -> HealthRoutes:
    ready = {
        "models": always_ok(),  # none is loaded before its golden examples pass
        "queue": in_reach(process.side.beat),
        "draining": not_draining(stopping.is_set),
    }
    return HealthRoutes({"compute": fuse_is_whole(process.fuse)}, ready, process.metrics)


def _pulse(process: WorkerProcess, stopping: asyncio.Event) -> contextlib.AbstractAsyncContextManager[None]:
    """While it drains its workers stop one after the other, as they should; before, it means that they have failed."""
    stopped = partial(process.fuse.blow, "a worker has stopped")
    return pulse(process.settings.heartbeat_file, lambda: stopping.is_set() or process.alive, stopped)
