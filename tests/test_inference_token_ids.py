"""The Open Inference Protocol with sequences that the caller has encoded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import numpy.typing as npt
import pytest
import tritonclient.http as triton

from tests.live import LiveServer

INFER = "/v2/models/mean-id/infer"
LENGTH = "inference-header-content-length"
# [CLS] 1, [SEP] 2, [PAD] 3, A 4, C 5, G 6, T 7
TEXTS = ["AC", "GGT", "A"]
IDS = [[1, 4, 5, 2, 3], [1, 6, 6, 7, 2], [1, 4, 2, 3, 3]]
MASK = [[1, 1, 1, 1, 0], [1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]


@pytest.fixture
def triton_client(live_server: LiveServer) -> Iterator[Any]:
    client = triton.InferenceServerClient(f"127.0.0.1:{live_server.port}")
    yield client
    client.close()


def _tensor(name: str, values: npt.NDArray[Any], binary: bool = True) -> Any:
    kind = {np.dtype(np.int64): "INT64", np.dtype(np.int32): "INT32"}.get(values.dtype, "BYTES")
    return triton.InferInput(name, list(values.shape), kind).set_data_from_numpy(values, binary_data=binary)


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("kind", [np.int64, np.int32])
def test_tritons_client_gets_for_ids_what_it_gets_for_text(triton_client: Any, kind: type, binary: bool) -> None:
    text = triton_client.infer("mean-id", [_tensor("sequences", np.array(TEXTS, dtype=np.object_))])
    ids, mask = np.array(IDS, dtype=kind), np.array(MASK, dtype=kind)
    for inputs in ((("input_ids", ids), ("attention_mask", mask)), (("attention_mask", mask), ("input_ids", ids))):
        encoded = triton_client.infer("mean-id", [_tensor(*each, binary) for each in inputs])
        assert encoded.as_numpy("values").tolist() == text.as_numpy("values").tolist()
    assert text.as_numpy("values").tolist()[0] == [3.0, 13.0]


def test_a_model_says_that_it_reads_ids_instead_of_sequences(triton_client: Any) -> None:
    sequences, ids, mask = triton_client.get_model_metadata("mean-id")["inputs"]
    assert sequences == {"name": "sequences", "datatype": "BYTES", "shape": [-1]}
    assert (ids["name"], ids["datatype"], ids["shape"]) == ("input_ids", "INT64", [-1, -1])
    assert ids["parameters"] == {"instead_of": "sequences", "optional": True, "max_tokens": 402}
    assert (mask["name"], mask["parameters"]) == ("attention_mask", {"with": "input_ids", "optional": True})


def _ids(**changes: Any) -> dict[str, Any]:
    return {"name": "input_ids", "shape": [1, 4], "datatype": "INT64", "data": [[1, 4, 5, 2]]} | changes


def _mask(**changes: Any) -> dict[str, Any]:
    return _ids(name="attention_mask", data=[1, 1, 1, 1]) | changes


def _asked(*inputs: dict[str, Any]) -> dict[str, Any]:
    return {"inputs": list(inputs)}


@pytest.mark.parametrize(
    "inputs",
    [
        [_ids()],
        [_ids(data=[1, 4, 5, 2])],
        [_ids(shape=[4], datatype="INT32", data=[1, 4, 5, 2])],
        [_ids(), _mask()],
        [_mask(shape=[5], data=[1, 1, 1, 1, 0]), _ids(shape=[1, 5], data=[1, 4, 5, 2, 9999])],
    ],
)
async def test_json_is_answered_with_json(client: httpx.AsyncClient, inputs: list[dict[str, Any]]) -> None:
    reply = await client.post(INFER, json=_asked(*inputs))
    (output,) = reply.json()["outputs"]
    assert (output["shape"], output["data"]) == ([1, 2], [3.0, 13.0])


async def test_ids_and_text_that_fly_together_are_computed_once_and_counted_alike(client: httpx.AsyncClient) -> None:
    row = [1, 4, 5, 2]
    text = {"name": "sequences", "shape": [1], "datatype": "BYTES", "data": ["AC"]}
    for tensor in (_ids(shape=[2, 4], data=[row, row]), text):
        assert (await client.post(INFER, json=_asked(tensor))).status_code == 200
    counted = (await client.get("/metrics")).text
    assert 'basecast_deduplicated_total{model="mean-id"} 1.0' in counted
    assert 'basecast_sequences_total{model="mean-id",outcome="ok"} 3.0' in counted


async def test_the_tensors_may_be_of_both_kinds(client: httpx.AsyncClient) -> None:
    behind = np.array([1, 1, 1, 0], dtype="<i8").tobytes()
    mask = _mask(data=None, parameters={"binary_data_size": len(behind)})
    head = json.dumps(_asked(_ids(data=[1, 4, 2, 3]), mask)).encode()
    reply = await client.post(INFER, content=head + behind, headers={LENGTH: str(len(head))})
    assert reply.json()["outputs"][0]["data"] == pytest.approx([7 / 3, 7 / 3 + 10])


REFUSED = {
    "an id past the vocabulary": ([_ids(data=[1, 4, 8, 2])], "/inputs/0/data/0"),
    "a negative id": ([_ids(data=[1, -4, 5, 2])], "/inputs/0/data/0"),
    "an id beyond 64 bits": ([_ids(data=[1, 2**63, 5, 2])], ""),
    "padding that no mask tells of": ([_ids(shape=[2, 2], data=[[1, 2], [1, 3]])], "/inputs/0/data/1"),
    "a fraction": ([_ids(data=[1, 4.5, 5, 2])], "/inputs/0/data"),
    "a truth": ([_ids(data=[1, True, 5, 2])], "/inputs/0/data"),
    "a row too short": ([_ids(shape=[2, 2], data=[[1, 2], [1]])], "/inputs/0/data/1"),
    "rows and numbers": ([_ids(shape=[2, 2], data=[[1, 2], 1, 2])], "/inputs/0/data/1"),
    "fewer than the shape says": ([_ids(shape=[2, 4], data=[1, 4, 5, 2])], "/inputs/0/shape"),
    "three dimensions": ([_ids(shape=[1, 1, 4])], "/inputs/0/shape"),
    "text": ([_ids(datatype="BYTES")], "/inputs/0/datatype"),
    "no rows": ([_ids(shape=[0, 4], data=[])], "/inputs/0/data"),
    "too many rows": ([_ids(shape=[5000, 1], data=[1] * 5000)], "/inputs/0/shape"),
    "rows without tokens": ([_ids(shape=[2, 0], data=[])], "/inputs/0/data/1"),
    "too many tokens": ([_ids(shape=[1, 403], data=[4] * 403)], "/inputs/0/data/0"),
    "a hole in the mask": ([_ids(), _mask(data=[1, 0, 1, 1])], "/inputs/1/data/0"),
    "padding at the start": ([_mask(data=[0, 1, 1, 1]), _ids()], "/inputs/0/data/0"),
    "a mask of weights": ([_ids(), _mask(data=[1, 1, 2, 1])], "/inputs/1/data/0"),
    "a mask of nothing": ([_mask(data=[0, 0, 0, 0]), _ids()], "/inputs/1/data/0"),
    "a mask of another shape": ([_ids(), _mask(shape=[1, 3], data=[1, 1, 1])], "/inputs/1/shape"),
    "a mask alone": ([_mask()], "/inputs"),
    "ids twice": ([_ids(), _ids()], "/inputs/1/name"),
    "both at once": (
        [_ids(), {"name": "sequences", "shape": [1], "datatype": "BYTES", "data": ["AC"]}],
        "/inputs/1/name",
    ),
    "three tensors": ([_ids(), _mask(), _mask()], "/inputs"),
    "a size in words": ([_ids(data=None, parameters={"binary_data_size": "4"})], "/inputs/0/parameters"),
    "a negative size": ([_ids(data=None, parameters={"binary_data_size": -4})], "/inputs/0/parameters"),
}


@pytest.mark.parametrize("row", REFUSED)
async def test_what_is_refused_is_pointed_at(client: httpx.AsyncClient, row: str) -> None:
    inputs, pointer = REFUSED[row]
    reply = await client.post(INFER, json=_asked(*inputs))
    assert reply.status_code == 422, reply.text
    assert pointer in [item["pointer"] for item in reply.json()["errors"]]


async def test_a_model_of_bases_reads_no_ids(client: httpx.AsyncClient) -> None:
    reply = await client.post("/v2/models/gc/infer", json=_asked(_ids()))
    assert (reply.status_code, reply.json()["errors"][0]["pointer"]) == (422, "/inputs")


async def test_bytes_that_are_no_whole_numbers_are_malformed(client: httpx.AsyncClient) -> None:
    tensor = _ids(data=None, shape=[1, 1], parameters={"binary_data_size": 7})
    head = json.dumps(_asked(tensor)).encode()
    reply = await client.post(INFER, content=head + bytes(7), headers={LENGTH: str(len(head))})
    assert (reply.status_code, reply.json()["code"]) == (400, "malformed_request")
