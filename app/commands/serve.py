"""`basecast serve`: the HTTP service, in the foreground until SIGTERM or Ctrl-C."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console

from app import __version__
from app.commands.card import targets_in_short
from app.commands.listening import listening_socket, url_of
from app.commands.options import Device, LogFormat, LogLevel, MetricsPort, Models, Queue, Threads
from app.commands.terminal import messages, say
from app.logs import configure_logging
from app.main import Service, create_service
from app.served_models import ServedModel
from app.server import serve as serve_until_stopped
from app.settings import load_settings

log = logging.getLogger(__name__)

Host = Annotated[str | None, typer.Option(help="Address to listen on.  [default: 127.0.0.1]")]
Port = Annotated[int | None, typer.Option(min=0, max=65_535, help="Port; 0 takes a free one.  [default: 8000]")]
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
    allow_anonymous: AllowAnonymous = False,
    log_level: LogLevel = None,
    log_format: LogFormat = None,
) -> None:
    """Serve every bundle of a folder over HTTP.

    Without a queue in Redis this process computes too; with one it only asks, and `basecast worker` computes.

    Each option can be set as BASECAST_<OPTION> in the environment or in the TOML file that BASECAST_CONFIG names;
    what is given here wins. `basecast config check` shows all of them.

    For example:

        basecast serve
        basecast serve --port 9000 --models models/utrseq-decay --device cpu --threads 4
        basecast serve --queue redis://127.0.0.1:6379/0
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
        allow_anonymous=allow_anonymous or None,
        log_level=log_level,
        log_format=log_format,
    )
    configure_logging(settings.log_level, settings.log_format)
    if settings.metrics_port:
        listening_socket(settings.host, settings.metrics_port).close()
    with listening_socket(settings.host, settings.port) as listener:
        service = create_service(settings)
        _announce(service, url_of(listener))
        serve_until_stopped(service, [listener])


def _announce(service: Service, url: str) -> None:
    """A banner for a person at a terminal, a log line for everybody else."""
    console = messages()
    if console.is_terminal:
        _banner(console, service, url)
        return
    names = [model.manifest.versioned_name for model in service.predictor.models]
    provider = service.backend.provider or "workers behind the queue"
    log.info("serving", extra={"url": url, "models": names, "provider": provider, "version": __version__})


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
    return f"on {device}, {service.settings.compute_threads} compute threads"
