"""The answers of the protocol: metadata, and values in JSON or behind it."""

from __future__ import annotations

from typing import Any

from pydantic_core import to_json
from starlette.responses import Response

from app import __version__
from app.api.inference.messages import ATTENTION_MASK, INPUT_IDS, SEQUENCES, VALUES
from app.api.inference.tensors import write_floats
from app.bundle import Input, Manifest
from app.predictor import Predictions
from app.scales import shortest

OCTETS = "application/octet-stream"
PLATFORM = "onnxruntime_onnx"  # as Triton names it


def server_metadata() -> dict[str, Any]:
    """The answer of GET /v2."""
    return {"name": "basecast", "version": __version__, "extensions": ["binary_tensor_data"]}


def model_metadata(manifest: Manifest, versions: list[str]) -> dict[str, Any]:
    """The answer of GET /v2/models/{name}.

    Args:
        versions: all that are loaded under this name.
    """
    targets = list(manifest.target_names)
    outputs = {"name": VALUES, "datatype": "FP32", "shape": [-1, len(targets)], "parameters": {"targets": targets}}
    inputs = _inputs(manifest.input)
    described = {"name": manifest.name, "versions": versions, "platform": PLATFORM}
    return described | {"inputs": inputs, "outputs": [outputs]}


def _inputs(rules: Input) -> list[dict[str, Any]]:
    if not rules.reads_sequences:
        return []
    sequences = {"name": SEQUENCES, "datatype": "BYTES", "shape": [-1]}
    if not rules.reads_token_ids:
        return [sequences]
    ids = {"instead_of": SEQUENCES, "optional": True, "max_tokens": rules.max_tokens}
    mask = {"with": INPUT_IDS, "optional": True}
    return [
        sequences,
        {"name": INPUT_IDS, "datatype": "INT64", "shape": [-1, -1], "parameters": ids},
        {"name": ATTENTION_MASK, "datatype": "INT64", "shape": [-1, -1], "parameters": mask},
    ]


def infer_response(predictions: Predictions, request_id: str | None, *, binary: bool) -> Response:
    """The answer of POST /v2/models/{name}/infer."""
    manifest, values = predictions.model.manifest, predictions.values
    shape = [len(values), len(manifest.targets)]
    output: dict[str, Any] = {"name": VALUES, "datatype": "FP32", "shape": shape}
    document: dict[str, Any] = {"model_name": manifest.name, "model_version": manifest.version, "outputs": [output]}
    if request_id is not None:
        document["id"] = request_id
    if not binary:
        output["data"] = [shortest(value) for row in values for value in row]
        return Response(to_json(document), media_type="application/json")
    tensor = write_floats(values)
    output["parameters"] = {"binary_data_size": len(tensor)}
    head = to_json(document)
    return Response(head + tensor, headers={"inference-header-content-length": str(len(head))}, media_type=OCTETS)
