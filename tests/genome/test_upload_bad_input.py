"""Every bad VCF has its status and its code, and bombs end early in little memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.genome.bad_uploads import BOMBS, TABLE, bomb
from tests.genome.vcfs import outcome


@pytest.mark.parametrize("name", TABLE)
def test_each_upload_has_its_status_and_code(name):
    upload, status, code = TABLE[name]
    assert outcome(upload) == (status, code)


@pytest.mark.parametrize("kind", BOMBS)
def test_bombs_end_early_and_in_little_memory(tmp_path, kind):
    upload = tmp_path / "upload"
    upload.write_bytes(bomb(kind))
    probe = Path(__file__).with_name("upload_probe.py")
    ran = subprocess.run([sys.executable, probe, upload], capture_output=True, check=True, cwd=Path.cwd())
    seen = json.loads(ran.stdout)
    assert (seen["status"], seen["code"]) == BOMBS[kind]
    assert seen["cpu_seconds"] < 2
    assert seen["grown_mib"] < 32
    assert seen["child_mib"] < 128
