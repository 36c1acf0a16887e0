"""The two graphs of a personal bundle: tokens of a segment to its embedding, and a window's embeddings to one value."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.feeder import Feeder
from training.graph import TRACED_ROWS, onnx_bytes, random_rows
from training.personal.backbone import SegmentEmbedder
from training.personal.fit import FittedHead


class HeadGraph(nn.Module):
    """The head as it serves: it finds the gene by its reference, and answers for it.

    A window of no gene that it knows is answered with the mean over all genes, the same for everybody.

    Args:
        fitted: the head and its landmarks.
    """

    def __init__(self, fitted: FittedHead) -> None:
        super().__init__()
        head, landmarks = fitted.head, fitted.landmarks
        self.transformer = head.transformer
        self.gate, self.same_window = landmarks.gate, landmarks.same_window
        counts = torch.from_numpy(landmarks.counts)
        references = torch.from_numpy(landmarks.references)
        read = torch.from_numpy(landmarks.read)
        absent = (torch.arange(read.shape[1])[None] >= counts[:, None]).to(torch.float32)
        content = references.gather(1, read[:, :, None].expand(-1, -1, references.shape[2]))
        with torch.no_grad():
            average = self.transformer(content, torch.zeros_like(content), read, absent)
            readouts = (head.shared_readout + head.readouts) * (1 - absent)[:, :, None]
        constants = {
            "centre": head.transformer.content_mean,
            "references": (references - head.transformer.content_mean).flatten(1),
            "read": read,
            "absent": absent,
            "content": content,
            "average": average,
            "means": torch.from_numpy(landmarks.means),
            "scales": torch.from_numpy(landmarks.scales),
            "readouts": readouts,
            "levels": head.means.detach(),
        }
        for name, value in constants.items():
            self.register_buffer(name, value.clone())

    def forward(self, embeddings: Tensor) -> Tensor:
        """(batch, 1) values from (batch, segments, width) embeddings."""
        gene, known = self._recognised((embeddings - self.get_buffer("centre")).flatten(1))
        read = self.get_buffer("read")[gene]
        content = self.get_buffer("content")[gene]
        own = embeddings.gather(1, read[:, :, None].expand(-1, -1, embeddings.shape[2]))
        raw = own - content
        differs = (raw.abs().amax(-1, keepdim=True) > self.gate).to(raw.dtype)
        differences = (raw * differs - self.get_buffer("means")[gene]) * self.get_buffer("scales")[gene]
        states = self.transformer(content, differences, read, self.get_buffer("absent")[gene])
        moved = ((states - self.get_buffer("average")[gene]) * self.get_buffer("readouts")[gene]).sum((1, 2))
        levels = self.get_buffer("levels")
        values: Tensor = torch.where(known, levels[gene] + moved, levels.mean())
        return values[:, None]

    def _recognised(self, windows: Tensor) -> tuple[Tensor, Tensor]:
        """(batch,) the gene whose reference is nearest, and whether it is near enough to be the window's."""
        references = self.get_buffer("references")  # (genes, segments * width)
        products = windows @ references.T
        distances = windows.square().sum(1, keepdim=True) - 2 * products + references.square().sum(1)[None]
        nearest = distances / windows.shape[1]
        return nearest.argmin(1), nearest.amin(1) <= self.same_window


def export_embedder(embedder: SegmentEmbedder, feeder: Feeder) -> bytes:
    """`embedder.onnx`, with a free batch and length."""
    bases = feeder.rules.min_bases
    length = min(feeder.rules.max_tokens, bases // 6 + 1)
    example = feeder.tensors(random_rows(feeder, [max(length, 3)] * TRACED_ROWS, seed=0))
    free = {0: torch.export.Dim("batch"), 1: torch.export.Dim("length", min=1, max=feeder.rules.max_tokens)}
    return onnx_bytes(embedder, example, ("input_ids", "attention_mask"), "embedding", free)


def export_head(graph: HeadGraph, segments: int, width: int) -> bytes:
    """`head.onnx`, with a free batch."""
    example = torch.randn(TRACED_ROWS, segments, width, generator=torch.Generator().manual_seed(0))
    return onnx_bytes(graph.eval(), (example,), ("embeddings",), "values", {0: torch.export.Dim("batch")})
