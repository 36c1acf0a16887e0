"""Names in an upload that mean a file or an address to other readers mean nothing here: seen by strace."""

from __future__ import annotations

import gzip
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.genome.upload_probe import BEGIN
from tests.genome.vcfs import vcf

STRACE = shutil.which("strace")
CANARY = "canary7f3a"
NAMES = [
    f"{CANARY}.vcf.gz##idx##http://127.0.0.1:9/{CANARY}.tbi",
    f"http://127.0.0.1:9/{CANARY}",
    f"../../{CANARY}",
    f"/dev/stdin?{CANARY}",
    f"mem:{CANARY}",
    f"file:///{CANARY}",
    f"s3://{CANARY}/x",
    "-",
    CANARY * 100,
]


def upload() -> bytes:
    """A VCF that carries the names wherever text may stand."""
    header = [
        f"##reference={name}\n##contig=<ID=chr1,length=1000,URL={name}>\n##contig=<ID={name}>\n##{name}={name}"
        for name in NAMES
    ]
    calls = " ".join(f"0|1:{name}" for name in NAMES)
    records = [
        record
        for name in NAMES
        for record in (
            f"chr1 5 {name} A C . {name} FILE={name} GT:{name} {calls}",
            f"chr1 5 . A <{name}> . . END=9;{name} GT:{name} {calls}",
            f"{name} 9 {name} A C . {name} {name} GT:{name} {calls}",
        )
    ]
    return vcf(*records, samples=" ".join(NAMES), header="\n".join(header))


@pytest.mark.skipif(STRACE is None, reason="needs strace")
@pytest.mark.parametrize("compressed", [False, True], ids=["in a thread", "in a child"])
def test_nothing_is_opened_by_a_name_from_an_upload(tmp_path, compressed):
    sent, trace = tmp_path / "upload", tmp_path / "trace"
    sent.write_bytes(gzip.compress(upload()) if compressed else upload())
    probe = Path(__file__).with_name("upload_probe.py")
    command = [STRACE, "-f", "-qq", "-s", "512", "-e", "trace=%file,%network,prlimit64", "-o", trace]
    ran = subprocess.run([*command, sys.executable, probe, sent], capture_output=True, check=True)
    assert b'"status": 200' in ran.stdout
    calls = trace.read_text().split(BEGIN, 1)[1]
    assert CANARY not in calls
    assert not [call for call in calls.splitlines() if "connect(" in call or "AF_INET" in call or "/dev/stdin" in call]
    if compressed:
        before, confined = calls.split("RLIMIT_NOFILE", 1)
        child = before.rsplit("\n", 1)[1].split()[0]
        assert not [call for call in confined.splitlines() if call.startswith(f"{child} ") and "open" in call]
