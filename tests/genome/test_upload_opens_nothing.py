"""Names in an upload that mean a file or an address to other readers mean nothing here: seen by strace."""

from __future__ import annotations

import gzip
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.genome.hostile_names import assert_nothing_is_opened, upload
from tests.genome.upload_probe import BEGIN

STRACE = shutil.which("strace")


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
    assert "AF_INET" not in calls
    assert_nothing_is_opened(calls, in_a_child=compressed)
