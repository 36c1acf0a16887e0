"""`basecast worker`: computes what `basecast serve` asks for, in the foreground until SIGTERM or Ctrl-C."""

from __future__ import annotations

from contextlib import ExitStack

from app.commands.listening import listening_socket
from app.commands.options import Device, LogFormat, LogLevel, MetricsPort, Models, Queue, Threads
from app.logs import configure_logging
from app.settings import load_settings
from app.worker_process import create_worker_process
from app.worker_server import work


def worker(
    models: Models = None,
    device: Device = None,
    queue: Queue = None,
    threads: Threads = None,
    metrics_port: MetricsPort = None,
    log_level: LogLevel = None,
    log_format: LogFormat = None,
) -> None:
    """Compute for every bundle of a folder what comes through a queue in Redis.

    One process a device, any number of them on any number of machines. Each option can be set as BASECAST_<OPTION>
    in the environment or in the TOML file that BASECAST_CONFIG names; what is given here wins.

    Exit status: 0 after SIGTERM, 1 if it cannot begin, 70 if nothing can be computed any more, so that it has to be
    started again.

    For example:

        basecast worker --queue redis://127.0.0.1:6379/0
        BASECAST_QUEUE=rediss://worker:password@queue.example basecast worker --device cuda:0 --metrics-port 9100
    """
    settings = load_settings(
        models=models,
        device=device,
        queue=queue,
        threads=threads,
        metrics_port=metrics_port,
        log_level=log_level,
        log_format=log_format,
    )
    configure_logging(settings.log_level, settings.log_format)
    with ExitStack() as held:
        listener = None
        if settings.metrics_port is not None:
            listener = held.enter_context(listening_socket(settings.host, settings.metrics_port))
        work(create_worker_process(settings), listener)
