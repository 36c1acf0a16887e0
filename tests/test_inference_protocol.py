"""The Open Inference Protocol: Triton's own client, and what a careless one would send."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.http as triton
from hypothesis import given
from hypothesis import strategies as st

from app.api.inference.tensors import read_strings
from app.errors import MalformedRequest
from tests.keys import add_key, bearer
from tests.live import LiveServer

INFER = "/v2/models/gc/infer"
LENGTH = "inference-header-content-length"


@pytest.fixture
def triton_client(live_server: LiveServer) -> Iterator[Any]:
    client = triton.InferenceServerClient(f"127.0.0.1:{live_server.port}")
    yield client
    client.close()


def _tensor(sequences: list[str], **options: bool) -> Any:
    tensor = triton.InferInput("sequences", [len(sequences)], "BYTES")
    return tensor.set_data_from_numpy(np.array(sequences, dtype=np.object_), **options)


def test_tritons_client_sees_a_live_server_and_its_models(triton_client: Any) -> None:
    assert triton_client.is_server_live()
    assert triton_client.is_server_ready()
    assert triton_client.is_model_ready("gc")
    assert triton_client.is_model_ready("gc", "1.0.0")
    assert not triton_client.is_model_ready("gc", "7.0.0")
    assert triton_client.get_server_metadata()["extensions"] == ["binary_tensor_data"]


def test_a_model_says_what_it_reads_and_answers(triton_client: Any) -> None:
    assert triton_client.get_model_metadata("gc") == {
        "name": "gc",
        "versions": ["1.0.0"],
        "platform": "onnxruntime_onnx",
        "inputs": [{"name": "sequences", "datatype": "BYTES", "shape": [-1]}],
        "outputs": [
            {"name": "values", "datatype": "FP32", "shape": [-1, 1], "parameters": {"targets": ["gc_fraction"]}}
        ],
    }


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
def test_values_come_back_in_either_form(triton_client: Any, binary_in: bool, binary_out: bool) -> None:
    outputs = [triton.InferRequestedOutput("values", binary_data=binary_out)]
    tensor = _tensor(["GGCA", "gguu", "A"], binary_data=binary_in)
    answer = triton_client.infer("gc", [tensor], outputs=outputs, request_id="mine")
    assert answer.as_numpy("values").tolist() == [[0.75], [0.5], [0.0]]
    assert answer.get_response()["id"] == "mine"
    assert answer.get_response()["model_version"] == "1.0.0"


def test_without_a_word_about_outputs_tritons_client_gets_bytes(triton_client: Any) -> None:
    answer = triton_client.infer("gc", [_tensor(["GGCA"])], model_version="1.0.0", priority=2, timeout=5_000_000)
    assert answer.as_numpy("values").dtype == np.float32
    assert answer.get_output("values")["parameters"] == {"binary_data_size": 4}


def test_tritons_client_reads_why_it_was_refused(triton_client: Any) -> None:
    with pytest.raises(triton.InferenceServerException, match="1 of 2 sequences are refused") as refused:
        triton_client.infer("gc", [_tensor(["GGCA", "GG!A"])])
    assert refused.value.status() == "422"


def _asked(tensor: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    whole = {"name": "sequences", "shape": [1], "datatype": "BYTES", "data": ["GC"]} | (tensor or {})
    return {"inputs": [whole]} | fields


async def test_json_is_answered_with_json(client: httpx.AsyncClient) -> None:
    reply = await client.post(INFER, json=_asked({"shape": [2, 1], "data": [["GC"], "GA"]}, id="a"))
    assert reply.json() == {
        "model_name": "gc",
        "model_version": "1.0.0",
        "id": "a",
        "outputs": [{"name": "values", "datatype": "FP32", "shape": [2, 1], "data": [1.0, 0.5]}],
    }


REFUSED = {
    "another tensor": (_asked({"name": "bases"}), "/inputs/0/name"),
    "another type": (_asked({"datatype": "INT64"}), "/inputs/0/datatype"),
    "three dimensions": (_asked({"shape": [1, 1, 1]}), "/inputs/0/shape"),
    "two columns": (_asked({"shape": [1, 2], "data": ["GC", "GC"]}), "/inputs/0/shape"),
    "fewer than the shape says": (_asked({"shape": [2]}), "/inputs/0/shape"),
    "more than a request may have": (_asked({"shape": [5000]}), "/inputs/0/shape"),
    "none": (_asked({"shape": [0], "data": []}), "/inputs/0/data"),
    "a number": (_asked({"data": [7]}), "/inputs/0/data/0"),
    "neither data nor bytes": (_asked({"data": None}), "/inputs/0"),
    "data and bytes": (_asked({"parameters": {"binary_data_size": 0}}), "/inputs/0"),
    "no base": (_asked({"data": ["G-"]}), "/inputs/0/data/0"),
    "no input": ({"inputs": []}, "/inputs"),
    "another output": (_asked(outputs=[{"name": "embedding"}]), "/outputs/0/name"),
    "classes": (_asked(outputs=[{"name": "values", "parameters": {"classification": 1}}]), "/outputs/0/parameters"),
    "a priority in words of its own": (_asked(parameters={"priority": "soon"}), "/parameters/priority"),
    "a timeout in words": (_asked(parameters={"timeout": "soon"}), "/parameters/timeout"),
    "a negative timeout": (_asked(parameters={"timeout": -1}), "/parameters/timeout"),
    "a timeout beyond the longest": (_asked(parameters={"timeout": 10**12}), "/parameters/timeout"),
    "an unknown field": (_asked(model="gc"), ""),
}


@pytest.mark.parametrize("row", REFUSED)
async def test_what_is_refused_is_pointed_at(client: httpx.AsyncClient, row: str) -> None:
    document, pointer = REFUSED[row]
    reply = await client.post(INFER, json=document)
    assert reply.status_code == 422, reply.text
    assert pointer in [item["pointer"] for item in reply.json()["errors"]]
    assert reply.json()["error"] == reply.json()["detail"]


@pytest.mark.parametrize("priority", ["bulk", "interactive", 0, 1, 9])
async def test_priorities_are_numbers_or_words(client: httpx.AsyncClient, priority: str | int) -> None:
    reply = await client.post(INFER, json=_asked(parameters={"priority": priority}))
    assert reply.status_code == 200


BEHIND = struct.pack("<I", 2) + b"GC"


def _binary(size: int, **headers: str) -> tuple[bytes, dict[str, str]]:
    head = json.dumps(_asked({"data": None, "parameters": {"binary_data_size": size}})).encode()
    return head + BEHIND, {LENGTH: str(len(head))} | headers


async def test_a_tensor_stands_behind_the_json(client: httpx.AsyncClient) -> None:
    body, headers = _binary(len(BEHIND), **{"content-type": "application/octet-stream"})
    reply = await client.post(INFER, content=body, headers=headers)
    assert reply.json()["outputs"][0]["data"] == [1.0]


@pytest.mark.parametrize("length", ["-1", "x", "1e2", "999999", "9" * 30])
async def test_a_head_that_is_not_in_the_body_is_malformed(client: httpx.AsyncClient, length: str) -> None:
    body, _ = _binary(len(BEHIND))
    reply = await client.post(INFER, content=body, headers={LENGTH: length})
    assert (reply.status_code, reply.json()["code"]) == (400, "malformed_request")


@pytest.mark.parametrize("size", [0, 5, 7])
async def test_a_size_that_is_not_that_of_the_bytes_is_malformed(client: httpx.AsyncClient, size: int) -> None:
    body, headers = _binary(size)
    reply = await client.post(INFER, content=body, headers=headers)
    assert (reply.status_code, reply.json()["code"]) == (400, "malformed_request")


async def test_other_bodies_are_not_read(client: httpx.AsyncClient) -> None:
    reply = await client.post(INFER, content=b"GC", headers={"content-type": "text/plain"})
    assert (reply.status_code, reply.json()["error"]) == (415, reply.json()["detail"])


@pytest.mark.parametrize("path", ["/v2/models/none/infer", "/v2/models/gc/versions/9.9.9/infer"])
async def test_an_unknown_model_is_told_in_the_protocols_way(client: httpx.AsyncClient, path: str) -> None:
    reply = await client.post(path, json=_asked())
    assert (reply.status_code, reply.json()["code"]) == (404, "unknown_model")
    assert "gc@1.0.0" in reply.json()["error"]


async def test_requests_are_counted_under_their_template(client: httpx.AsyncClient) -> None:
    await client.post(INFER, json=_asked())
    counted = (await client.get("/metrics")).text
    assert 'basecast_requests_total{code="200",route="/v2/models/{name}/infer"} 1.0' in counted


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_strings_are_read_as_they_were_packed(elements: list[bytes]) -> None:
    packed = b"".join(struct.pack("<I", len(element)) + element for element in elements)
    assert [element.encode("latin-1") for element in read_strings(memoryview(packed))] == elements


@given(st.binary(min_size=1, max_size=40), st.data())
def test_strings_that_break_off_are_malformed(element: bytes, data: st.DataObject) -> None:
    packed = struct.pack("<I", len(element)) + element
    kept = data.draw(st.integers(1, len(packed) - 1))
    with pytest.raises(MalformedRequest):
        read_strings(memoryview(packed[:kept]))


def test_keys_guard_inference_and_leave_the_probes_open(toy_models: Path, tmp_path: Path) -> None:
    key = add_key(tmp_path / "keys.toml", "predict")
    with LiveServer.start(toy_models, api_keys_file=tmp_path / "keys.toml") as server:
        assert httpx.get(f"{server.url}/v2/health/ready").status_code == 200
        assert httpx.post(f"{server.url}{INFER}", json=_asked()).status_code == 401
        assert httpx.post(f"{server.url}{INFER}", json=_asked(), headers=bearer(key)).status_code == 200
