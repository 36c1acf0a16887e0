"""Who is compared: how each server is started, asked and stopped."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

HANDLERS = Path(__file__).with_name("handlers")
# The same releases as ours.
COMMON = tuple(f"{name}=={version(name)}" for name in ("onnxruntime", "tokenizers"))

Item = dict[str, Any]  # {"sequence": text} or {"input_ids": ids}
Values = list[list[float]]


@dataclass(frozen=True)
class Wire:
    """How requests and answers of a server look.

    Attributes:
        write: items of one request to its document.
        read: the document of an answer to a row of values for each item.
        lists: one request may carry several items.
    """

    path: str
    write: Callable[[Sequence[Item]], object]
    read: Callable[[Any], Values]
    lists: bool = False


@dataclass(frozen=True)
class Peer:
    """Another server.

    Attributes:
        packages: what its virtual environment holds beside ONNX Runtime and tokenizers.
        program: arguments of its interpreter.
        environment: variables it needs.
        rounds: in which it takes part; None for all.
        loads_interpreter: as a library, which it has to find.
    """

    name: str
    packages: tuple[str, ...]
    program: tuple[str, ...]
    wire: Wire
    environment: Mapping[str, str] = field(default_factory=dict)
    rounds: int | None = None
    loads_interpreter: bool = False


@dataclass(frozen=True)
class Form:
    """How a peer is set up.

    Attributes:
        max_batch, wait_ms: of its batching; one is no batching.
        workers, intra: models side by side, and ONNX Runtime's threads in each.
    """

    name: str
    max_batch: int
    wait_ms: float
    workers: int = 1
    intra: int = 1

    def environment(self) -> dict[str, str]:
        """For its handler."""
        sizes = {"MAX_BATCH": self.max_batch, "MAX_WAIT_MS": self.wait_ms}
        return {name: str(value) for name, value in (sizes | {"WORKERS": self.workers, "INTRA": self.intra}).items()}


BATCHES = "batches of 32"
ONE_CORE = (Form(BATCHES, 32, 5), Form("single", 1, 0))
TWO_CORES = (
    Form(f"{BATCHES}, two models", 32, 5, workers=2),
    Form("single, two models", 1, 0, workers=2),
    Form("single, two threads", 1, 0, intra=2),
)


def _one(items: Sequence[Item]) -> object:
    return items[0]


def _predictions(document: dict[str, Any]) -> Values:
    return [document["predictions"]]


def _triton(items: Sequence[Item]) -> object:
    data = [json.dumps(item) for item in items]
    return {"inputs": [{"name": "body", "datatype": "BYTES", "shape": [len(data), 1], "data": data}]}


def _triton_rows(document: dict[str, Any]) -> Values:
    output = document["outputs"][0]
    width = output["shape"][1]
    flat = output["data"]
    return [flat[start : start + width] for start in range(0, len(flat), width)]


OURS = Wire(
    "/predict",
    lambda items: {"sequences": [item["sequence"] for item in items]},
    lambda document: [list(row["values"].values()) for row in document["predictions"]],
    lists=True,
)

PEERS = (
    Peer("mosec", ("mosec==0.9.8",), ("mosec_server.py",), Wire("/inference", _one, _predictions)),
    Peer("LitServe", ("litserve==0.2.19",), ("litserve_server.py",), Wire("/predict", _one, _predictions)),
    Peer(
        "BentoML",
        ("bentoml==1.4.39", "uvloop==0.23.0", "httptools==0.9.0"),
        ("-m", "bentoml", "serve", "bentoml_service:Peer", "--host", "127.0.0.1", "--port", "{port}"),
        Wire("/predict", lambda items: {"items": list(items)}, lambda document: document, lists=True),
        {"BENTOML_DO_NOT_TRACK": "True"},
    ),
    Peer(
        "PyTriton",
        ("nvidia-pytriton==0.7.0",),
        ("pytriton_server.py",),
        Wire("/v2/models/peer/infer", _triton, _triton_rows, lists=True),
        loads_interpreter=True,
    ),
    # Its start takes a core twenty seconds, and it is far from the fastest; so one round has to do.
    Peer("Ray Serve", ("ray[serve]==2.60.0",), ("ray_server.py",), Wire("/", _one, _predictions), rounds=1),
)


def interpreter_of(server: str, environments: Path) -> Path:
    """Where the interpreter of a server's virtual environment is."""
    return environments.absolute() / server.replace(" ", "-").lower() / "bin" / "python"


def handler_environment(peer: Peer, form: Form, port: int, model: Path, tokenizer: Path, pad_id: int) -> dict[str, str]:
    """The environment of a peer's process."""
    files = {"MODEL": str(model.absolute()), "TOKENIZER": str(tokenizer.absolute())}
    where = files | {"PORT": str(port), "PAD_ID": str(pad_id)}
    threads = {"OMP_NUM_THREADS": str(form.intra), "TOKENIZERS_PARALLELISM": "false"}
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return kept | where | threads | form.environment() | dict(peer.environment)


OUR_PROGRAM = ("-c", "from app.cli import main; main()")
