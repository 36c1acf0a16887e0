"""`basecast serve`: the HTTP service, in the foreground until SIGTERM or Ctrl-C."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated

import typer
from rich.console import Console

from app import __version__
from app.backend import runs_for
from app.commands.card import targets_in_short
from app.commands.listening import listening_socket, url_of
from app.commands.options import Device, LogFormat, LogLevel, MetricsPort, Models, Queue, Threads
from app.commands.terminal import messages, say
from app.logs import configure_logging
from app.main import Service, create_service
from app.processes import Supervisor
from app.served_models import ServedModel
from app.server import serve as serve_until_stopped
from app.settings import Settings, load_settings

log = logging.getLogger(__name__)

STOP_SECONDS = 10.0  # beyond what draining may take, before a process counts as stuck

Host = Annotated[str | None, typer.Option(help="Address to listen on.  [default: 127.0.0.1]")]
Port = Annotated[int | None, typer.Option(min=0, max=65_535, help="Port; 0 takes a free one.  [default: 8000]")]
Processes = Annotated[
    int | None,
    typer.Option(
        min=1, help="Processes that share the port; process k has its metrics on the metrics port + k.  [default: 1]"
    ),
]
AllowAnonymous = Annotated[
    bool, typer.Option("--allow-anonymous", help="Listen on an address that others reach, and ask nobody who they are.")
]


def serve(
    host: Host = None,
    port: Port = None,
    models: Models = None,
    device: Device = None,
    queue: Queue = None,
    threads: Threads = None,
    metrics_port: MetricsPort = None,
    processes: Processes = None,
    allow_anonymous: AllowAnonymous = False,
    log_level: LogLevel = None,
    log_format: LogFormat = None,
) -> None:
    """Serve every bundle of a folder over HTTP.

    Without a queue in Redis this process computes too; with one it only asks, and `basecast worker` computes.

    Several processes use several cores for HTTP. Without a queue in Redis each loads every model for itself, has its
    part of the threads, and counts keys' shares and limits by itself; with one they only ask. One that dies is
    started again.

    Each option can be set as BASECAST_<OPTION> in the environment or in the TOML file that BASECAST_CONFIG names;
    what is given here wins. `basecast config check` shows all of them.

    For example:

        basecast serve
        basecast serve --port 9000 --models models/utrseq-decay --device cpu --threads 4
        basecast serve --queue redis://127.0.0.1:6379/0
        basecast serve --queue redis://127.0.0.1:6379/0 --processes 4 --metrics-port 9100
        basecast serve --host 0.0.0.0 --allow-anonymous --metrics-port 9100
    """
    settings = load_settings(
        host=host,
        port=port,
        models=models,
        device=device,
        queue=queue,
        threads=threads,
        metrics_port=metrics_port,
        processes=processes,
        allow_anonymous=allow_anonymous or None,
        log_level=log_level,
        log_format=log_format,
    )
    configure_logging(settings.log_level, settings.log_format)
    if settings.processes > 1:
        _serve_in_processes(settings)
    else:
        _serve(settings)


def _serve(settings: Settings) -> None:
    _check_metrics_port(settings)
    with listening_socket(settings.host, settings.port) as listener:
        service = create_service(settings)
        serve_until_stopped(service, [listener], serving=partial(_announce, service, url_of(listener)))


def _serve_in_processes(settings: Settings) -> None:
    for number in range(settings.processes):
        _check_metrics_port(share_of(settings, number))
    listening_socket(settings.host, settings.port).close()  # the shared one would not tell that others listen
    # Bound and never listening: no connection comes here, and the port stays ours whoever dies.
    with listening_socket(settings.host, settings.port, shared=True) as held:
        each = partial(_serve_beside, settings.model_copy(update={"port": held.getsockname()[1]}))
        supervisor = Supervisor(each, settings.processes, settings.drain_ms / 1000 + STOP_SECONDS)
        asyncio.run(supervisor.run(partial(_announce_processes, settings, url_of(held))))


def _serve_beside(shared: Settings, number: int, serving: Callable[[], None]) -> None:
    """One process of several: its own listener and metrics, its part of the threads."""
    settings = share_of(shared, number)
    configure_logging(settings.log_level, settings.log_format)
    _check_metrics_port(settings)
    with listening_socket(settings.host, settings.port, shared=True) as listener:
        service = create_service(settings)
        serve_until_stopped(service, [listener], serving=partial(_announce_process, service, number, serving))


def share_of(settings: Settings, number: int) -> Settings:
    """What one of several processes works by."""
    threads = max(1, settings.compute_threads // settings.processes)
    metrics_port = (settings.metrics_port or 0) + number
    return settings.model_copy(update={"threads": threads, "metrics_port": metrics_port, "processes": 1})


def _check_metrics_port(settings: Settings) -> None:
    if settings.metrics_port:
        listening_socket(settings.host, settings.metrics_port).close()


def _announce_process(service: Service, number: int, serving: Callable[[], None]) -> None:
    if not messages().is_terminal:
        fields = {"number": number, "pid": os.getpid(), "metrics_port": service.settings.metrics_port}
        log.info("process serving", extra=fields | _facts(service))
    serving()


def _announce_processes(settings: Settings, url: str) -> None:
    console = messages()
    if console.is_terminal:
        console.print(f"[bold]Basecast {__version__}[/]  in {settings.processes} processes\n")
        console.print(f"  [bold]{url}[/]  Ctrl-C stops\n  {url}/docs  documentation")
        ports = [share_of(settings, number).metrics_port for number in range(settings.processes)]
        console.print(f"  /metrics of each  on ports {ports[0]} to {ports[-1]}\n")
        return
    log.info("serving", extra={"url": url, "processes": settings.processes, "version": __version__})


def _announce(service: Service, url: str) -> None:
    """A banner for a person at a terminal, a log line for everybody else."""
    console = messages()
    if console.is_terminal:
        _banner(console, service, url)
        return
    log.info("serving", extra={"url": url, **_facts(service), "version": __version__})


def _facts(service: Service) -> dict[str, object]:
    names = [model.manifest.versioned_name for model in service.predictor.models]
    return {"models": names, "provider": service.backend.provider or "workers behind the queue"}


def _banner(console: Console, service: Service, url: str) -> None:
    models = service.predictor.models
    console.print(f"[bold]Basecast {__version__}[/]  {_where(service)}\n")
    for model in models:
        manifest = model.manifest
        console.print(f"  [bold cyan]{manifest.name}[/] {manifest.version}  {targets_in_short(manifest)}")
    console.print(f"\n  [bold]{url}[/]  Ctrl-C stops\n  {url}/docs  documentation\n")
    if request := _example(models):
        console.print("Try it:")
        say(console, f"  curl {url}/predict -H 'content-type: application/json' \\")
        say(console, f"    -d '{request}'")
        console.print()


def _example(models: Sequence[ServedModel]) -> str:
    """A request with the shortest golden sequence of a model, which any reader may see; empty where none reads any."""
    for model in models:
        golden = [example.sequence for example in model.manifest.golden.examples if example.sequence is not None]
        if golden:
            named = {} if len(models) == 1 else {"model": model.manifest.name}
            return json.dumps(named | {"sequences": [min(golden, key=len)]})
    return ""


def _where(service: Service) -> str:
    """What computes, for people."""
    if not service.backend.provider:
        return "asking the workers behind the queue"
    device = service.backend.provider.removesuffix("ExecutionProvider")
    return f"on {device}, {runs_for(service.settings, service.backend.provider)} compute threads"
