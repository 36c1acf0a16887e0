"""A bundle with segments and random weights: real in everything that costs time, and in nothing else."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor, nn

from app.bundle import EMBEDDER, HEAD, TOKENIZER, Golden, GoldenExample, Input, Segments
from benchmarks.random_bundle import write_random
from benchmarks.workload import random_sequences
from training.backbones.dnabert2 import Dnabert2, Dnabert2Shape
from training.feeder import Feeder
from training.regressor import MaskedMean
from training.tokenizers.building import six_mers
from training.tokenizers.layout import read_layout

SEGMENTS = Segments(count=100, bases=1000)
WIDTH, LAYERS, HEADS = 128, 2, 4
TOKENS = SEGMENTS.bases // 6 + SEGMENTS.bases % 6 + 1  # six-mers, what is left over base by base, and one before them
ANSWER = "answer"
FreeAxes = dict[str, dict[int, Any]]
ARCHITECTURE = f"{LAYERS} layers of {WIDTH} over six-mers, and {LAYERS} of {WIDTH} over segments; random weights."


class Embedder(nn.Module):
    """Tokens of a segment to the mean state."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.backbone = Dnabert2(Dnabert2Shape(vocabulary, WIDTH, LAYERS, HEADS, 4 * WIDTH, 0.0))
        self.pooling = MaskedMean()

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        pooled: Tensor = self.pooling(*self.backbone(input_ids, attention_mask))
        return pooled


class Head(nn.Module):
    """Embeddings of a window's segments, which know their places, to a value."""

    def __init__(self) -> None:
        super().__init__()
        self.places = nn.Parameter(torch.randn(SEGMENTS.count, WIDTH))
        layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 4 * WIDTH, dropout=0.0, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False)
        self.value = nn.Linear(WIDTH, 1)

    def forward(self, embeddings: Tensor) -> Tensor:
        values: Tensor = self.value(self.layers(embeddings + self.places).mean(1))
        return values


def write_random_segments(folder: Path) -> Path:
    """Write the bundle as `folder/random-segments`."""
    tokenizer = six_mers("v2").files[TOKENIZER]
    rules = Input(
        encoding="tokens",
        ambiguous="n",
        min_bases=SEGMENTS.window_bases,
        max_bases=SEGMENTS.window_bases,
        max_tokens=2 * TOKENS,  # an N breaks six-mers up
        pad_token_id=read_layout(tokenizer).pad_token_id,
        segments=SEGMENTS,
    )
    segment = rules.model_copy(update={"min_bases": 1, "max_bases": SEGMENTS.bases, "segments": None})
    feeder = Feeder(segment, {TOKENIZER: tokenizer})
    torch.manual_seed(0)
    torch.backends.mha.set_fastpath_enabled(False)  # which has no graph
    embedder, head = Embedder(feeder.vocabulary).eval(), Head().eval()
    files = {EMBEDDER: _embedder_graph(embedder, feeder), HEAD: _head_graph(head), TOKENIZER: tokenizer}
    return write_random(folder / "random-segments", rules, files, _golden(embedder, head, feeder), ARCHITECTURE)


@torch.no_grad()
def _golden(embedder: Embedder, head: Head, feeder: Feeder) -> Golden:
    (window,) = random_sequences(1, SEGMENTS.window_bases, SEGMENTS.window_bases, seed=2)
    cut = [window[start : start + SEGMENTS.bases] for start in range(0, len(window), SEGMENTS.bases)]
    embeddings = embedder(*feeder.tensors(feeder.encode(cut)))
    value = float(head(embeddings[None])[0, 0])
    return Golden(tolerance=1e-4, examples=(GoldenExample(sequence=window, values={"value": value}),))


def _embedder_graph(embedder: Embedder, feeder: Feeder) -> bytes:
    example = feeder.tensors(feeder.encode(random_sequences(2, 600, 600)))
    free = {0: torch.export.Dim("batch"), 1: torch.export.Dim("length", max=2 * TOKENS)}
    names = ("input_ids", "attention_mask")
    return _exported(embedder, example, dict.fromkeys(names, free), names, "embedding")


def _head_graph(head: Head) -> bytes:
    example = (torch.zeros(2, SEGMENTS.count, WIDTH),)
    names = ("embeddings",)
    return _exported(head, example, {"embeddings": {0: torch.export.Dim("batch")}}, names, "values")


def _exported(
    model: nn.Module, example: tuple[Tensor, ...], free: FreeAxes, names: tuple[str, ...], output: str
) -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exported = torch.export.export(model, example, dynamic_shapes=free, strict=False)
        program = torch.onnx.export(
            exported, dynamo=True, opset_version=20, input_names=names, output_names=[ANSWER], verbose=False
        )
    assert program is not None
    return _with_output(program.model_proto, output)


def _with_output(proto: onnx.ModelProto, name: str) -> bytes:
    """Name the output; the exporter names what it computes on the way after torch's functions, such as `embedding`."""
    renamed = {name: f"inner_{name}", ANSWER: name}
    for node in proto.graph.node:
        node.input[:] = [renamed.get(each, each) for each in node.input]
        node.output[:] = [renamed.get(each, each) for each in node.output]
    proto.graph.output[0].name = name
    del proto.graph.value_info[:]
    content: bytes = proto.SerializeToString()
    return content
