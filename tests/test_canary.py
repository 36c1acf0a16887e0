"""Nothing that a caller sends is found where it does not belong, whatever he sends and however it ends.

A real service process is sent marked sequences, names and headers in good and in bad requests. Then everything that
the process leaves behind is searched: both output streams, metrics, traces, files.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pysam
import pytest
import redis

from tests.fleet import LiveWorker
from tests.genome.vcfs import sites, vcf
from tests.people import HEADER as CONTIGS
from tests.people import REGION, write_genomes
from tests.redis_server import binaries, running
from tests.toy import write_fragile_bundle, write_token_bundle, write_toy_bundle

SEQUENCE = "GATTACACATGATTACACATTAGACCATTAGGACCATTAGA"
NAME = "CanaryName"
MODEL = "CanaryModel"
HEADER = "CanaryHeader"
QUERY = "CanaryQuery"
FILE = "CanaryFile.vcf"
KEY_ID, SECRET = "canarykeyid", "CanarySecret"
SAMPLE = "CanarySample"
CANARIES = (SEQUENCE, SAMPLE, "UAGACCAUUAGGACCAU", NAME, MODEL, HEADER, QUERY, FILE, KEY_ID, SECRET)

JSON, FASTA = "application/json", "text/x-fasta"
# Everything that a header can carry; the request id and traceparent are no such as we would keep.
HEADERS = {
    "authorization": f"Bearer bc_{KEY_ID}_{SECRET}",
    "cookie": f"session={HEADER}",
    "user-agent": HEADER,
    "referer": f"http://toy/{HEADER}",
    "x-forwarded-for": HEADER,
    "x-request-id": f"{HEADER} with a space",
    "traceparent": f"00-{HEADER}-{HEADER}-01",
    "tracestate": f"vendor={HEADER}",
    "baggage": f"user={HEADER}",
    "content-disposition": f'attachment; filename="{FILE}"',
    f"x-{HEADER}": "1",
}


@dataclass(frozen=True)
class Form:
    """A way to run the service.

    Attributes:
        settings: of the process, as environment variables.
        left: what it leaves behind elsewhere, once it has stopped.
        lines: what others than the service itself have logged.
    """

    settings: Mapping[str, str] = field(default_factory=dict)
    left: Callable[[], bytes] = bytes
    lines: Callable[[], list[dict[str, object]]] = list


@contextmanager
def in_memory(models: Path) -> Iterator[Form]:
    yield Form()


@contextmanager
def through_redis(models: Path) -> Iterator[Form]:
    """A worker computes; it has also been given a marked entry that it cannot read."""
    settings = {"log_level": "debug", "log_batches_from_ms": 0}
    with (
        running(next(iter(binaries().values()))) as server,
        server.client() as client,
        LiveWorker.start(models, server.url, **settings) as worker,
    ):
        for stream in list(client.scan_iter("{basecast}:q:*")):
            client.xadd(stream, {"j": SEQUENCE, NAME: NAME})

        def left() -> bytes:
            assert client.xlen("{basecast}:dead") == 3
            metrics = httpx.get(f"http://127.0.0.1:{worker.metrics_port}/metrics").content
            return _everything_in(client) + worker.log.read_bytes() + metrics

        yield Form({"BASECAST_QUEUE": server.url}, left, worker.lines)


def _everything_in(client: redis.Redis) -> bytes:
    read = {b"stream": client.xrange, b"string": client.get, b"set": client.smembers}
    return repr([(key, read[client.type(key)](key)) for key in client.scan_iter()]).encode()


FORMS = {"memory": in_memory, "redis": through_redis}


def request(target: str, body: bytes | str, method: str = "POST", **headers: str) -> bytes:
    """An HTTP request that carries all the marked headers."""
    content = body if isinstance(body, bytes) else body.encode()
    given = {"host": "toy", "content-type": JSON, "content-length": str(len(content)), "connection": "close"}
    fields = given | HEADERS | {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode() + content


def predict(**document: object) -> bytes:
    """A prediction request with this body."""
    return request("/predict", json.dumps({"model": "gc", "sequences": [SEQUENCE]} | document))


def fasta(body: str | bytes, query: str = "model=gc") -> bytes:
    return request(f"/predict?{query}", body, content_type=FASTA)


def variants(**document: object) -> bytes:
    """A request about variants in ten bases of the reference."""
    return request("/predict/variants", json.dumps({"model": "gc", "window": "chr1:41-50"} | document))


def sited(record: str) -> bytes:
    """The same of a VCF."""
    return variants(vcf=sites(record, header=CONTIGS).decode())


def mutagenesis(**document: object) -> bytes:
    return request("/predict/mutagenesis", json.dumps({"model": "gc"} | document))


def people(*, alternate: str = f"A{SEQUENCE}", accept: str = JSON, **document: object) -> bytes:
    """A question about somebody whose name and allele are marked."""
    text = vcf(f"chr1 45 {NAME} A {alternate} . PASS . GT 0|1", samples=SAMPLE, header=CONTIGS).decode()
    return request(
        "/predict/individual", json.dumps({"model": "gc", "region": REGION, "vcf": text} | document), accept=accept
    )


def uploaded(content: bytes, **document: object) -> bytes:
    """The same in a file with a marked name."""
    disposition = b'--x\r\ncontent-disposition: form-data; name="%b"%b\r\n\r\n%b\r\n'
    asked = json.dumps({"model": "gc", "region": REGION} | document).encode()
    named = f'; filename="{FILE}"'.encode()
    body = disposition % (b"request", b"", asked) + disposition % (b"vcf", named, content) + b"--x--\r\n"
    return request("/predict/individual", body, content_type="multipart/form-data; boundary=x")


SOMEBODY = vcf(f"chr1 45 {NAME} A A{SEQUENCE} . PASS . GT 0|1", samples=SAMPLE, header=CONTIGS)
NAMED = {"id": NAME, "sequence": SEQUENCE}
# What is sent, and the statuses it may be answered with; none where the connection may just end.
ROWS: dict[str, tuple[bytes, set[int]]] = {
    "json": (predict(sequences=[NAMED, SEQUENCE.replace("T", "U")]), {200}),
    "tokens": (predict(model="mean-id", sequences=[NAMED]), {200}),
    "bulk": (predict(sequences=[NAMED], priority="bulk"), {200}),
    "csv": (request("/predict", json.dumps({"model": "gc", "sequences": [NAMED]}), accept="text/csv"), {200}),
    "fasta": (fasta(f">{NAME} {FILE}\n{SEQUENCE}\n"), {200}),
    "bad base": (predict(sequences=[NAMED, SEQUENCE + "X"]), {422}),
    "no finite value": (predict(sequences=[{"id": NAME, "sequence": "N"}]), {500}),
    "a model that raises": (predict(model="fragile", sequences=[NAMED]), {500}),
    "too long": (predict(sequences=[SEQUENCE * 100]), {422}),
    "unknown model": (predict(model=MODEL), {404}),
    "unknown field": (predict(**{NAME: SEQUENCE}), {422}),
    "wrong type": (predict(sequences={NAME: SEQUENCE}), {422}),
    "wrong item": (predict(sequences=[[SEQUENCE]]), {422}),
    "bad id": (predict(sequences=[{"id": f"{NAME}\n{NAME}", "sequence": SEQUENCE}]), {422}),
    "bad priority": (predict(priority=NAME), {422}),
    "bad deadline": (predict(deadline_ms=NAME), {422}),
    "deadline passed": (predict(model="mean-id", deadline_ms=10, sequences=[SEQUENCE * 9] * 150), {200, 504}),
    "substitutions": (mutagenesis(sequence=SEQUENCE), {200}),
    "substitutions of no sequence": (mutagenesis(sequence=f"{SEQUENCE}X"), {422}),
    "substitutions of no interval": (mutagenesis(interval=f"{NAME}:1-10"), {422}),
    "substitutions of no gene": (mutagenesis(gene=NAME), {422}),
    "variant": (variants(variants=[f"chr1:45:A>{SEQUENCE}"]), {200}),
    "variant on no contig": (variants(variants=[f"{NAME}:45:A>{SEQUENCE}"]), {422}),
    "variant of other bases": (variants(variants=[f"chr1:45:{SEQUENCE}>A"]), {422}),
    "variant that is none": (variants(variants=[f"chr1:45:{NAME}"]), {422}),
    "variants of a VCF": (sited(f"chr1 45 {NAME} A {SEQUENCE} . . {NAME}"), {200}),
    "variants of a VCF of other bases": (sited(f"chr1 45 {NAME} {SEQUENCE} A . . ."), {422}),
    "variants of no VCF": (variants(vcf=f"{NAME}\t{SEQUENCE}"), {422}),
    "not JSON": (request("/predict", f'{{"{NAME}": {SEQUENCE}'), {400}),
    "key twice": (request("/predict", f'{{"{NAME}": 1, "{NAME}": "{SEQUENCE}"}}'), {400}),
    "not UTF-8": (request("/predict", b"\xff" + SEQUENCE.encode()), {400}),
    "nested": (request("/predict", "[" * 5000 + f'"{NAME}"'), {400}),
    "no number": (request("/predict", f'{{"sequences": ["{SEQUENCE}", NaN]}}'), {422}),
    "half a pair": (request("/predict", f'{{"sequences": ["{SEQUENCE}\\ud800"]}}'), {422}),
    "not FASTA": (fasta(f"{SEQUENCE}\n>{NAME}"), {400}),
    "FASTA not UTF-8": (fasta(b">\xff\n" + SEQUENCE.encode()), {400}),
    "bad FASTA name": (fasta(f">{NAME}\x1b[31m\n{SEQUENCE}"), {422}),
    "unknown query": (fasta(f">{NAME}\n{SEQUENCE}", f"{QUERY}={QUERY}"), {422}),
    "bad query": (fasta(f">{NAME}\n{SEQUENCE}", f"model=gc&priority={QUERY}"), {422}),
    "query names a model": (fasta(f">{NAME}\n{SEQUENCE}", f"model={MODEL}"), {404}),
    "media type": (request("/predict", SEQUENCE, content_type=f"text/{HEADER}"), {415}),
    "compressed": (request("/predict", SEQUENCE, content_encoding=HEADER), {415}),
    "multipart": (request("/predict", f'--x\r\ncontent-disposition: form-data; name="vcf"; filename="{FILE}"\r\n\r\n'
                          f"{SEQUENCE}\r\n--x--\r\n", content_type="multipart/form-data; boundary=x"), {415}),
    "not acceptable": (request("/predict", "{}", accept=f"text/{HEADER}"), {406}),
    "bad deadline header": (request("/predict", json.dumps({"sequences": [SEQUENCE]}), x_deadline_ms=HEADER), {422}),
    "body too large": (predict(sequences=[SEQUENCE] * 5000), {413}),
    "body that ends early": (request("/predict", f'{{"{NAME}', content_length="9000"), {408}),
    "caller gone": (request("/predict", SEQUENCE, content_length="9001"), set()),
    "unknown route": (request(f"/{FILE}?{QUERY}={SEQUENCE}", SEQUENCE), {404}),
    "unknown model page": (request(f"/models/{MODEL}?{QUERY}", "", "GET"), {404}),
    "wrong method": (request(f"/predict?{QUERY}", SEQUENCE, "PUT"), {405}),
    "long target": (request(f"/{FILE}{SEQUENCE * 300}", "", "GET"), {414}),
    "large header": (request("/models", "", "GET", x_large=HEADER * 3000), {431}),
    "enormous header": (request("/models", "", "GET", x_large=HEADER * 9000), {431}),
    "unknown method": (request("/predict", SEQUENCE, NAME), {400}),
    "no HTTP": (f"{SEQUENCE} {NAME}\r\n\r\n".encode(), {400}),
    "bad length": (request("/predict", SEQUENCE, content_length=HEADER), {400}),
    "people": (people(), {200}),
    "people as events": (people(accept="text/event-stream"), {200}),
    "people as CSV": (people(accept="text/csv", unphased="random"), {200}),
    "people of a file": (uploaded(SOMEBODY), {200}),
    "people of a gzip file": (uploaded(gzip.compress(SOMEBODY)), {200}),
    "people of a cohort": (people(vcf=None, cohort="marked", samples=[SAMPLE]), {200}),
    "people's other reference": (people(alternate="C").replace(b"\\tA\\tC", b"\\tC\\tA"), {422}),
    "people with a bad allele": (people(alternate=f"{SEQUENCE}!"), {422}),
    "people without one of them": (people(samples=[NAME]), {422}),
    "people in no cohort": (people(vcf=None, cohort=NAME), {404}),
    "people of no gene": (people(region=None, gene=NAME), {422}),
    "people of no region": (people(region=f"{NAME}:1-10"), {422}),
    "people in an unknown field": (people(**{NAME: SAMPLE}), {422}),
    "people who fail the model": (people(model="fragile"), {500}),
    "people as a bad file": (uploaded(SOMEBODY.replace(b"GT\t", b"\t")), {422}),
    "people as half a file": (uploaded(gzip.compress(SOMEBODY)[:-4]), {422}),
    "people as no VCF": (uploaded(f"{SAMPLE} {SEQUENCE}".encode()), {422}),
    "people as a zip": (uploaded(b"PK\x03\x04" + SOMEBODY), {415}),
    "people in parts of another name": (uploaded(SOMEBODY).replace(b'"request"', f'"{NAME[:7]}"'.encode()), {400}),
    "bad chunk": (request("/predict", SEQUENCE, transfer_encoding="chunked"), {400, 408}),
}  # fmt: skip
LEAVES_EARLY = {"caller gone"}


class Collector:
    """An OpenTelemetry collector that keeps what it is sent, as bytes."""

    def __init__(self) -> None:
        self.received = b""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer.received += self.rfile.read(int(self.headers["content-length"]))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *arguments: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @contextmanager
    def running(self) -> Iterator[Collector]:
        thread = threading.Thread(target=self._server.serve_forever)
        thread.start()
        yield self
        self._server.shutdown()
        thread.join()
        self._server.server_close()


@dataclass(frozen=True)
class Process:
    """`basecast serve` in a folder of its own, all of whose words go into files there."""

    process: subprocess.Popen[bytes]
    folder: Path

    @classmethod
    @contextmanager
    def start(cls, models: Path, folder: Path, **environment: str) -> Iterator[Process]:
        (folder / "tmp").mkdir()
        options = ["serve", "--models", str(models), "--port", "0", "--log-level", "debug"]
        program = [sys.executable, "-c", "from app.cli import main; main()", *options]
        given = {"PYTHONPATH": ":".join(sys.path), "TMPDIR": str(folder / "tmp"), "PYTHONWARNINGS": "always"}
        with (folder / "stdout").open("wb") as stdout, (folder / "stderr").open("wb") as stderr:
            process = subprocess.Popen(program, cwd=folder, env=given | environment, stdout=stdout, stderr=stderr)
        try:
            yield cls(process, folder)
        finally:
            process.kill()
            process.wait()

    def lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in (self.folder / "stderr").read_bytes().splitlines()]

    def url(self) -> httpx.URL:
        """Where it listens, once it does."""
        until = time.monotonic() + 60
        while time.monotonic() < until and self.process.poll() is None:
            said = re.search(rb'"url":"([^"]+)"', (self.folder / "stderr").read_bytes())
            with contextlib.suppress(httpx.TransportError):
                if said and httpx.get(f"{said[1].decode()}/readyz").is_success:
                    return httpx.URL(said[1].decode())
            time.sleep(0.05)
        raise AssertionError("the service did not start")

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


def _send(port: int, sent: bytes, *, stay: bool = True) -> bytes:
    """What comes of the reply; nothing if the caller does not stay for it."""
    reply = b""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as caller, contextlib.suppress(ConnectionError):
        caller.sendall(sent)
        while stay and (part := caller.recv(65_536)):
            reply += part
    return reply


def _status(reply: bytes) -> int:
    return int(reply.split(maxsplit=2)[1])


@pytest.fixture(scope="module")
def canary_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for write in (write_toy_bundle, write_token_bundle, write_fragile_bundle):
        write(folder)
    return folder


def _found(where: Mapping[str, bytes]) -> list[tuple[str, str]]:
    """Each canary with the place where it is found, in whatever case."""
    return [
        (canary, place) for place, content in where.items() for canary in CANARIES
        if canary.lower().encode() in content.lower()
    ]  # fmt: skip


@pytest.fixture(scope="module")
def genomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The operator's files, which have a marked person too, as settings."""
    folder = tmp_path_factory.mktemp("genomes")
    files = write_genomes(folder)
    (folder / "marked.vcf").write_bytes(SOMEBODY)
    pysam.tabix_compress(str(folder / "marked.vcf"), str(folder / "marked.vcf.gz"))
    pysam.tabix_index(str(folder / "marked.vcf.gz"), preset="vcf")
    return {
        "BASECAST_REFERENCE": str(files["reference"]),
        "BASECAST_GENES": str(files["genes"]),
        "BASECAST_COHORTS": json.dumps({"marked": str(folder / "marked.vcf.gz")}),
    }


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_no_canary_is_found_where_it_does_not_belong(
    form: Callable[[Path], AbstractContextManager[Form]],
    canary_models: Path,
    genomes: dict[str, str],
    tmp_path: Path,
) -> None:
    with form(canary_models) as form_at_work:
        _no_canary_is_found(form_at_work, canary_models, genomes, tmp_path)


def _no_canary_is_found(form: Form, canary_models: Path, genomes: dict[str, str], tmp_path: Path) -> None:
    settings = {
        "BASECAST_MAX_BODY_BYTES": "100000",
        "BASECAST_BODY_TIMEOUT_MS": "300",
        "BASECAST_LOG_BATCHES_FROM_MS": "0",
    }
    with Collector().running() as collector:
        settings |= {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, **form.settings, **genomes}
        with Process.start(canary_models, tmp_path, **settings) as service:
            url = service.url()
            assert url.port is not None
            replies = {name: _send(url.port, sent, stay=name not in LEAVES_EARLY) for name, (sent, _) in ROWS.items()}
            statuses = {name: _status(reply) for name, reply in replies.items() if reply}
            assert {name: it for name, it in statuses.items() if it not in ROWS[name][1]} == {}
            metrics = httpx.get(url.join("/metrics")).content
            assert service.stop() == 0
        lines = service.lines() + form.lines()

    # The service did hear the canaries, and what is searched does tell of the requests.
    assert NAME.encode() in replies["json"]
    answered = ("people", "people as events", "people as CSV", "people of a gzip file", "people of a cohort")
    assert all(SAMPLE.encode() in replies[name] for name in answered)
    assert b'basecast_haplotypes_total{model="gc"}' in metrics
    requests = [line for line in lines if line["event"] == "request"]
    told = {(line["status"], line.get("code")) for line in requests}
    assert told >= {(200, None), (422, "invalid_base"), (500, "inference_failed"), (413, "body_too_large")}
    assert {line["event"] for line in lines} >= {"batch", "inference failed"}
    assert b"basecast_requests_total" in metrics
    assert b"basecast.request_id" in collector.received

    refusals = {f"reply to {name}": reply for name, reply in replies.items() if statuses.get(name) != 200}
    files = {str(path.relative_to(tmp_path)): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    left = {"metrics": metrics, "traces": collector.received, "elsewhere": form.left()}
    assert _found(refusals | files | left) == []


def test_a_line_for_each_request_carries_the_id_of_its_reply(canary_models: Path, tmp_path: Path) -> None:
    names = ("json", "bad base", "unknown route", "enormous header")
    with Process.start(canary_models, tmp_path) as service:
        port = service.url().port
        assert port is not None
        replies = [_send(port, ROWS[name][0]) for name in names]
        service.stop()
    ids = [re.search(rb"x-request-id: (\S+)", reply, re.IGNORECASE) for reply in replies]
    logged = [
        line["request_id"] for line in service.lines() if line["event"] == "request" and line["route"] != "/readyz"
    ]
    assert [it and it[1].decode() for it in ids] == logged
