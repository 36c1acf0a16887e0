"""The OpenAPI document tells the truth: schemathesis sends what it allows and what it forbids."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import httpx

from tests.keys import add_key, bearer
from tests.live import LiveServer
from tests.people import write_genomes
from tests.toy import write_toy_bundle

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")


# A schema cannot say which of its requests a reference or a sequence's length makes possible, so here a refusal is no
# fault of a request that the schema allows; nor can it say that a tensor's data are as many as its shape says.
DEPENDENT = ("/predict/variants", "/predict/mutagenesis")
TENSORS = ("/v2/models/{name}/infer", "/v2/models/{name}/versions/{version}/infer")


def _run(server: LiveServer, *arguments: str) -> str:
    """Let schemathesis ask the server, and return what the server has counted."""
    options = [f"{server.url}/openapi.json", "--max-examples=60", "--no-color", "--checks=all", *arguments]
    run = subprocess.run([SCHEMATHESIS, "run", *options], capture_output=True, text=True, check=False, timeout=240)
    assert run.returncode == 0, "\n".join(line[:300] for line in run.stdout.splitlines())
    return httpx.get(f"{server.url}/metrics").text


def _answered(counted: str, code: int, route: str = "") -> bool:
    """Whether a request was answered with this status, on this route or on any; counters begin at 0."""
    found = re.findall(rf'basecast_requests_total\{{code="{code}",route="([^"]*)"\}} (\S+)', counted)
    return any(float(count) > 0 for path, count in found if path == (route or path))


def test_the_service_behaves_as_documented(toy_models: Path) -> None:
    # One model, so that requests need not guess a name to get past 404. Deadlines of some milliseconds end in 503 or
    # 504 by right, so instead of calling those faults the server is asked afterwards whether it ever answered 500.
    with LiveServer.start(toy_models / "gc") as server:
        others = [f"--exclude-path={path}" for path in (*DEPENDENT, *TENSORS)]
        counted = _run(server, *others, "--exclude-checks=not_a_server_error")
    assert _answered(counted, 200, "/predict")
    assert not _answered(counted, 500)


def test_routes_that_depend_on_more_than_a_schema_says_behave_as_documented(toy_models: Path, tmp_path: Path) -> None:
    with LiveServer.start(toy_models / "gc", reference=write_genomes(tmp_path)["reference"]) as server:
        paths = [f"--include-path={path}" for path in (*DEPENDENT, *TENSORS)]
        counted = _run(server, *paths, "--exclude-checks=not_a_server_error,positive_data_acceptance")
    for path in DEPENDENT:
        assert _answered(counted, 422, path)
    assert not _answered(counted, 500)


def test_the_service_asks_for_keys_as_documented(toy_models: Path, tmp_path: Path) -> None:
    key = add_key(tmp_path / "keys.toml", "predict")
    with LiveServer.start(toy_models / "gc", api_keys_file=tmp_path / "keys.toml") as server:
        arguments = [
            f"{server.url}/openapi.json",
            "--max-examples=20",
            "--no-color",
            f"--header=Authorization: Bearer {key}",
        ]
        checks = ["--checks=ignored_auth,status_code_conformance,content_type_conformance,response_schema_conformance"]
        run = subprocess.run(
            [SCHEMATHESIS, "run", *arguments, *checks], capture_output=True, text=True, check=False, timeout=240
        )
        counted = httpx.get(f"{server.url}/metrics", headers=bearer(key)).text
    assert run.returncode == 0, "\n".join(line[:300] for line in run.stdout.splitlines())
    for code in (200, 401, 422):
        assert _answered(counted, code, "/predict")


def test_people_are_answered_for_as_documented(tmp_path: Path) -> None:
    # What a region or a VCF must be, no schema says, so valid documents may be refused.
    files = write_genomes(tmp_path)
    write_toy_bundle(tmp_path / "models")
    with LiveServer.start(tmp_path / "models", **files | {"cohorts": json.dumps(files["cohorts"])}) as server:
        arguments = [f"{server.url}/openapi.json", "--include-path=/predict/individual", "--max-examples=20"]
        checks = ["--checks=all", "--exclude-checks=not_a_server_error,positive_data_acceptance", "--no-color"]
        run = subprocess.run(
            [SCHEMATHESIS, "run", *arguments, *checks], capture_output=True, text=True, check=False, timeout=240
        )
        counted = httpx.get(f"{server.url}/metrics").text
    assert run.returncode == 0, "\n".join(line[:300] for line in run.stdout.splitlines())
    assert _answered(counted, 422, "/predict/individual")
    assert not _answered(counted, 500)


def test_the_documented_example_is_one_the_shipped_model_accepts(live_server: LiveServer) -> None:
    document = httpx.get(f"{live_server.url}/openapi.json").json()
    example = document["components"]["schemas"]["PredictRequest"]["examples"][0]
    assert [len(sequence) for sequence in example["sequences"]] == [110]


def test_every_error_of_predict_is_documented_as_a_problem(live_server: LiveServer) -> None:
    document = httpx.get(f"{live_server.url}/openapi.json").json()
    responses = document["paths"]["/predict"]["post"]["responses"]
    for status in ("400", "404", "406", "408", "413", "414", "415", "422", "431", "500", "503", "504"):
        assert "application/problem+json" in responses[status]["content"]
