"""The same bad uploads over HTTP to a running service: status and code, time, memory, and nothing opened by a name."""

from __future__ import annotations

import gzip
import http.client
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.genome.bad_uploads import BOMBS, GOOD, TABLE, bomb
from tests.genome.hostile_names import assert_nothing_is_opened, upload
from tests.live import LiveServer
from tests.toy import write_toy_bundle

STRACE = shutil.which("strace")
MOST_CPU_SECONDS = 2
MOST_GROWN_BYTES = 64 * 2**20
# A C G T at 5 and G at 9 are what the table's records say; those that say otherwise contradict this reference.
REFERENCE = "AAAAACGTG" + "A" * 991
CONTRADICTING = ("REF N", "REF IUPAC", "duplicate")
OF_THE_REFERENCE = dict.fromkeys(CONTRADICTING, (422, "reference_mismatch"))
NAMES = {
    "an index elsewhere": "x.vcf.gz##idx##http://127.0.0.1:9/i.tbi",
    "an address": "http://127.0.0.1:9/x.vcf",
    "a folder above": "../../x",
    "a device": "/dev/stdin",
    "a scheme": "mem:",
    "standard input": "-",
    "NUL": "x\0.vcf",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    folder = tmp_path_factory.mktemp("genome")
    (folder / "reference.fa").write_text(f">chr1\n{REFERENCE}\n")
    models = tmp_path_factory.mktemp("models")
    write_toy_bundle(models)
    with LiveServer.start(models, reference=folder / "reference.fa") as server:
        assert send(server, GOOD) == (200, "")  # all is loaded before anything is measured
        yield server


def send(server: LiveServer, vcf: bytes, name: str = "a.vcf") -> tuple[int, str]:
    """Status and code of an upload under this file name; what the service does not wait for is not sent."""
    request = json.dumps({"model": "gc", "region": "chr1:1-20"})
    head = b'--x\r\ncontent-disposition: form-data; name="%b"%b\r\n\r\n'
    named = b'; filename="%b"' % name.encode()
    body = head % (b"request", b"") + request.encode() + b"\r\n" + head % (b"vcf", named) + vcf + b"\r\n--x--\r\n"
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    with suppress(BrokenPipeError, ConnectionResetError):
        connection.request("POST", "/predict/individual", body, {"content-type": "multipart/form-data; boundary=x"})
    response = connection.getresponse()
    told = json.loads(response.read())
    connection.close()
    return response.status, told.get("code", "")


def cpu_seconds(server: LiveServer) -> float:
    """Of the service and the readers that it has ended; unlike the time on the wall, the same on a busy machine."""
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("name", TABLE)
def test_each_upload_has_its_status_and_code_soon(server: LiveServer, name: str) -> None:
    sent, status, code = TABLE[name]
    before = cpu_seconds(server)
    assert send(server, sent) == OF_THE_REFERENCE.get(name, (status, code))
    assert cpu_seconds(server) - before < MOST_CPU_SECONDS


@pytest.mark.parametrize("kind", BOMBS)
def test_bombs_end_early_and_in_little_memory(server: LiveServer, kind: str) -> None:
    sent = bomb(kind)
    seconds, resident = cpu_seconds(server), server.resident_bytes()
    assert send(server, sent) == BOMBS[kind]
    assert cpu_seconds(server) - seconds < MOST_CPU_SECONDS
    assert server.resident_bytes() - resident < MOST_GROWN_BYTES


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_the_name_of_a_file_means_nothing(server: LiveServer, name: str) -> None:
    assert send(server, gzip.compress(GOOD), name) == (200, "")


def test_a_name_of_four_thousand_characters_is_no_name(server: LiveServer) -> None:
    assert send(server, GOOD, "x" * 4096) == (400, "malformed_request")


@contextmanager
def traced(server: LiveServer, trace: Path) -> Iterator[None]:
    """Write down which files the service and its readers open, and where they connect to."""
    calls = "trace=%file,connect,sendmmsg,prlimit64"
    command = [str(STRACE), "-f", "-s", "512", "-e", calls, "-o", str(trace), "-p", str(server.process.pid)]
    strace = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert strace.stderr is not None
    said = strace.stderr.readline()
    if "attached" not in said:
        strace.wait(10)
        pytest.skip(f"strace may not look at a process of ours: {said.strip()}")
    try:
        yield
        time.sleep(0.1)
    finally:
        strace.send_signal(signal.SIGINT)
        strace.communicate(timeout=10)


@pytest.mark.skipif(STRACE is None, reason="needs strace")
@pytest.mark.parametrize("compressed", [False, True], ids=["in a thread", "in a child"])
def test_nothing_is_opened_by_a_name_while_an_upload_is_read(
    server: LiveServer, tmp_path: Path, compressed: bool
) -> None:
    trace = tmp_path / "trace"
    sent = upload()
    with traced(server, trace):
        assert send(server, gzip.compress(sent) if compressed else sent)[0] == 200
        send(server, b"not a VCF", NAMES["an index elsewhere"])
    calls = trace.read_text()
    assert ("RLIMIT_NOFILE" in calls) == compressed  # the reader was seen
    assert_nothing_is_opened(calls, in_a_child=compressed)


def test_the_service_goes_on(server: LiveServer) -> None:
    assert send(server, GOOD) == (200, "")
