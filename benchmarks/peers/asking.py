"""What a contestant is sent, and whether it answers as ONNX Runtime does."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Sequence

import numpy as np
import onnxruntime

from benchmarks.peers.plan import Load, Mixture, Workload
from benchmarks.peers.servers import OURS, Item, Values, Wire

CHECKED = 8
TOLERANCE = 1e-4  # of padding and of seven digits


def items_of(workload: Workload, load: Load, wire: Wire) -> list[Item]:
    """A mixture as one server gets it; ours gets text always."""
    if load.form == "ids" and wire is not OURS:
        return [{"input_ids": row} for row in workload.token_rows(load.mixture)]
    return [{"sequence": text} for text in load.mixture.texts]


def requests_of(wire: Wire, items: Sequence[Item], size: int) -> list[bytes]:
    """HTTP requests that carry `size` items each."""
    starts = range(0, len(items) - size + 1, size)
    return [_request(wire, items[start : start + size]) for start in starts]


def _request(wire: Wire, items: Sequence[Item]) -> bytes:
    body = request_body(wire, items)
    fields = (
        f"POST {wire.path} HTTP/1.1",
        "host: bench",
        "content-type: application/json",
        f"content-length: {len(body)}",
    )
    return "\r\n".join((*fields, "", "")).encode() + body


def request_body(wire: Wire, items: Sequence[Item]) -> bytes:
    """The body of a request for these items."""
    return json.dumps(wire.write(items)).encode()


def expected_values(workload: Workload, mixture: Mixture) -> Values:
    """What ONNX Runtime itself answers for the first sequences of a mixture."""
    session = onnxruntime.InferenceSession(workload.graph, providers=["CPUExecutionProvider"])
    inputs = [np.array([row], dtype=np.int64) for row in workload.token_rows(mixture)[:CHECKED]]
    return [session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})[0][0].tolist() for ids in inputs]


def check_answers(port: int, wire: Wire, items: Sequence[Item], expected: Values) -> None:
    """Compare a server's answers with those of ONNX Runtime, one by one and, where it takes lists, as a list.

    Raises:
        RuntimeError: one of them differs.
    """
    asked = list(items[: len(expected)])
    answers = [_ask(port, wire, [item])[0] for item in asked]
    if wire.lists:
        answers += _ask(port, wire, asked)
        expected = [*expected, *expected]
    for answer, row in zip(answers, expected, strict=True):
        if any(abs(one - other) > TOLERANCE * max(1.0, abs(other)) for one, other in zip(answer, row, strict=True)):
            raise RuntimeError("its answers differ from those of ONNX Runtime")


def _ask(port: int, wire: Wire, items: Sequence[Item]) -> Values:
    url = f"http://127.0.0.1:{port}{wire.path}"
    request = urllib.request.Request(url, request_body(wire, items), {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as reply:
        return wire.read(json.load(reply))
