"""The settings: environment variables `BASECAST_…` over a TOML file over these defaults.

Built only in `main` and `cli`; below them only values travel.
"""

from __future__ import annotations

import ipaddress
import os
import tomllib
from functools import cached_property
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from app.errors import SettingsError
from app.logs import Form, Level
from app.passwords import read_password, with_password
from app.variables import CONFIG_VARIABLE, PREFIX, not_a_setting, unknown_variables

# While one batch is computed the next is already held by the same worker.
LEASES_PER_WATCHDOG = 2

MEMORY_QUEUE = "memory://"
QUEUE_PATTERN = r"^(memory://|rediss?://[^/].*|unix:///?[^/].*)$"
OTLP_VARIABLES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")

Positive = Annotated[int, Field(ge=1)]
LAST_PORT = 65_535
Port = Annotated[int, Field(ge=0, le=LAST_PORT)]
CohortName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Sources = Annotated[tuple[str, ...], BeforeValidator(lambda given: (given,) if isinstance(given, str) else given)]
Mebi = 1024 * 1024


class Settings(BaseSettings):
    """What an operator can choose.

    Attributes:
        models: folder of bundles, or one bundle.
        queue: `memory://`, where this process computes too; or the Redis between API and workers, `redis://host:port/0`,
            `rediss://` with TLS, `unix:///path/to/socket`.
        queue_password_file: a file that holds the password of the user that `queue` names, and nothing else.
        namespace: what the names of its keys in Redis begin with; services that share a Redis have different ones.
        lease_ms: how long a worker may hold a job before another may take it over.
        watchdog_ms: how long a batch may take before the process that computes it is ended.
        heartbeat_file: a worker touches it every second while it works, for probes that look at its age.
        device: `auto`, `cpu` or `cuda:N`.
        allow_cpu: accept the CPU when CUDA does not start; by default only with `auto` and `cpu`.
        threads: batches computed at once; 0 takes as many as the cores this process may use allow, and two on a GPU.
        intra_op_threads: cores that compute one batch together; more make a large model's lone answers faster, and
            all together slower.
        max_batch_sequences, max_batch_tokens: of one batch; where they are not set, what was measured at the start
            decides. `basecast models tune` measures which are best on a device.
        max_padding: share of a batch that may be padding, in place of what is measured; 0 makes groups of equal length.
        length_multiple: what the length of a padded batch is rounded up to; 8 on CUDA, 1 on a CPU.
        metrics_port: a port of its own for /metrics; without one it is served beside the other routes.
        processes: that serve one port; process k, from 0 on, has its metrics on `metrics_port` + k.
        max_sequences_in_flight, max_bases_in_flight: of all requests that one process answers at a time.
        max_vcf_upload_bytes: of a VCF as it arrives, compressed or not.
        max_vcf_bytes: of a VCF once inflated.
        reference: FASTA of the genome that people's VCFs are about, plain or bgzip; without it there is no
            `/predict/individual`.
        reference_assembly: its name, such as `GRCh38`; where it is not given, the lengths of human chromosomes tell.
        genes: GTF or BED, for questions by gene.
        cohorts: name to indexed VCFs; `*` in a path stands for anything.
        max_haplotype_bases: of the distinct haplotypes that one request makes.
        max_queue_tokens: tokens that may wait per model before requests are turned away.
        body_timeout_ms: how long a body may take to arrive.
        drain_ms: how long requests in flight may take to finish after SIGTERM.
        log_level: from which on lines are logged; each request is one of level info, a probe of level debug.
        log_format: `json`, `text`, or `auto`, which is text before a terminal.
        log_batches_from_ms: batches that take at least this long are logged at level info, the others at debug.
        otlp_endpoint: base URL of an OpenTelemetry collector for traces; its own variables (OTEL_…) count as well.
        allow_anonymous: serve on an address that others can reach although nobody is asked who they are.
        api_keys_file: the file of `basecast keys`; with it every route but the probes needs a key.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    models: Path = Path("models")
    queue: Annotated[str, Field(pattern=QUEUE_PATTERN)] = MEMORY_QUEUE
    queue_password_file: Path | None = None
    namespace: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")] = "basecast"
    lease_ms: Annotated[int, Field(ge=100)] = 3000
    watchdog_ms: Annotated[int, Field(ge=50)] = 1500
    heartbeat_file: Path | None = None
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda:\d+)$")] = "auto"
    allow_cpu: bool | None = None
    threads: Annotated[int, Field(ge=0, le=1024)] = 0
    intra_op_threads: Annotated[int, Field(ge=1, le=1024)] = 1
    max_batch_sequences: Positive | None = None
    max_batch_tokens: Positive | None = None
    max_padding: Annotated[float, Field(ge=0, lt=1)] | None = None
    length_multiple: Annotated[int, Field(ge=1, le=1024)] | None = None
    host: str = "127.0.0.1"
    port: Port = 8000
    metrics_port: Port | None = None
    processes: Annotated[int, Field(ge=1, le=1024)] = 1
    allow_anonymous: bool = False
    api_keys_file: Path | None = None
    max_body_bytes: Positive = 8 * Mebi
    max_sequences: Positive = 4096
    max_total_bases: Positive = 16 * Mebi
    max_sequences_in_flight: Positive = 32_768
    max_bases_in_flight: Positive = 64 * Mebi
    max_vcf_upload_bytes: Positive = 256 * Mebi
    max_vcf_bytes: Positive = 2048 * Mebi
    max_vcf_line_bytes: Positive = 4 * Mebi
    max_vcf_records: Positive = 1_000_000
    max_samples: Positive = 10_000
    max_allele_bases: Positive = 100_000
    reference: Path | None = None
    reference_assembly: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")] | None = None
    genes: Path | None = None
    cohorts: dict[CohortName, Sources] = {}
    max_haplotype_bases: Positive = 2048 * Mebi
    max_queue_tokens: Positive = 4 * Mebi
    default_deadline_ms: Annotated[int, Field(ge=10)] = 10_000
    max_deadline_ms: Annotated[int, Field(ge=10)] = 120_000
    body_timeout_ms: Positive = 30_000
    drain_ms: Positive = 30_000
    log_level: Level = "info"
    log_format: Form = "auto"
    log_batches_from_ms: Annotated[float, Field(ge=0)] = 5.0
    otlp_endpoint: Annotated[str, Field(pattern=r"^https?://")] | None = None

    @property
    def traces_wanted(self) -> bool:
        return self.otlp_endpoint is not None or any(map(os.environ.get, OTLP_VARIABLES))

    @property
    def computes_here(self) -> bool:
        """Whether the process that answers requests is the one that computes, too."""
        return self.queue == MEMORY_QUEUE

    @cached_property
    def queue_url(self) -> str:
        """Where the queue is, with the password to get there."""
        if self.queue_password_file is None:
            return self.queue
        try:
            return with_password(self.queue, read_password(self.queue_password_file))
        except ValueError as error:
            raise ValueError(f"queue_password_file {error}") from None

    @property
    def cpu_allowed(self) -> bool:
        return self.allow_cpu if self.allow_cpu is not None else self.device in ("auto", "cpu")

    @property
    def compute_threads(self) -> int:
        """Batches computed at once on a CPU."""
        return self.threads or max(1, len(os.sched_getaffinity(0)) // self.intra_op_threads)

    @property
    def asks_for_keys(self) -> bool:
        return self.api_keys_file is not None

    @model_validator(mode="after")
    def _consistent(self) -> Settings:
        if self.default_deadline_ms > self.max_deadline_ms:
            raise ValueError("default_deadline_ms is larger than max_deadline_ms")
        if self.allow_anonymous and self.api_keys_file is not None:
            raise ValueError("allow_anonymous and api_keys_file contradict each other; leave one out")
        if self.reference is None and (self.genes is not None or self.cohorts):
            raise ValueError("genes and cohorts are about a reference; set reference to its FASTA")
        if not self.asks_for_keys and not self.allow_anonymous and not is_loopback(self.host):
            raise ValueError(
                f"host {self.host} can be reached from outside and nobody is asked who they are; "
                "set api_keys_file to ask, or allow_anonymous to accept that"
            )
        self._check_queue()
        self._check_processes()
        return self

    def _check_processes(self) -> None:
        if self.processes == 1:
            return
        if not self.metrics_port:
            raise ValueError(
                f"{self.processes} processes share one port, where /metrics would be that of any one of them; "
                "set metrics_port, which the first takes, and each other the next"
            )
        if self.metrics_port + self.processes - 1 > LAST_PORT:
            raise ValueError(f"{self.processes} ports from metrics_port on do not exist; set a lower one")

    def _check_queue(self) -> None:
        if self.lease_ms < LEASES_PER_WATCHDOG * self.watchdog_ms:
            raise ValueError(
                f"lease_ms must be at least {LEASES_PER_WATCHDOG} times watchdog_ms, or a batch that is only slow is "
                "computed twice"
            )
        has_file = self.queue_password_file is not None
        if has_file and (self.computes_here or urlsplit(self.queue).password is not None):
            raise ValueError("queue_password_file is for a queue in Redis whose URL has no password; leave one out")
        url = urlsplit(self.queue_url)
        is_remote = url.scheme in ("redis", "rediss") and not is_loopback(url.hostname or "localhost")
        proves_itself = url.password is not None or any(it in url.query for it in ("password=", "ssl_certfile="))
        if is_remote and not proves_itself:
            raise ValueError(
                "queue is on another host and asks for no password, so whoever reaches it can read what is queued; "
                "give it one (redis://user:password@host, or queue_password_file)"
            )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        if path := os.environ.get(CONFIG_VARIABLE):
            return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, Path(path))
        return init_settings, env_settings


def load_settings(**overrides: object) -> Settings:
    """The settings, with what the command line says on top.

    Raises:
        SettingsError: a value is out of range, unknown, or contradicts another; the message names the setting.
    """
    path = os.environ.get(CONFIG_VARIABLE)
    if path and not Path(path).is_file():
        raise SettingsError(f"{CONFIG_VARIABLE} names a file that does not exist")
    if unknown := unknown_variables(os.environ, Settings.model_fields):
        raise SettingsError(not_a_setting(unknown[0], Settings.model_fields))
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**given)  # type: ignore[arg-type]  # pydantic checks each value
    except ValidationError as error:
        raise SettingsError("; ".join(_fault(fault) for fault in error.errors())) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"the file of {CONFIG_VARIABLE} is not TOML: {error}") from None


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _fault(fault: ErrorDetails) -> str:
    name = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        return not_a_setting(name, Settings.model_fields)
    message = str(fault["msg"]).removeprefix("Value error, ")
    return f"{name}: {message}" if name else message
