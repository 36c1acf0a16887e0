"""A compact Nucleotide Transformer, pre-trained on the reference alone by hiding six-mers, in the published format.

It stands in for the published weights, which are far larger and under a licence of their own: no person's genotypes and
no expression are seen.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from app.genome.letters import reverse_complement
from training.backbones.nucleotide_transformer import (
    MASK,
    PADDING,
    PUBLISHED_LAYER_NORM_EPSILON,
    NucleotideTransformer,
    NucleotideTransformerShape,
)
from training.checkpoint import write_atomically
from training.personal.config import PretrainingConfig
from training.tokenizers.six_mer import BASES_PER_TOKEN, SPECIAL_TOKENS, six_mer_tokenizer, six_mer_vocabulary
from training.watching import Watcher

VOCABULARY = six_mer_vocabulary("v2")
SIX_MERS = range(len(SPECIAL_TOKENS["v2"]), len(SPECIAL_TOKENS["v2"]) + 4**BASES_PER_TOKEN)
WEIGHTS, CONFIG, VOCABULARY_FILE, PRETRAINED = "model.safetensors", "config.json", "vocab.txt", "pretrained.json"
VALID_ROWS = 128
WARM_UP = 0.05
LEAST_RATE = 0.05  # of the learning rate, at the end


class LanguageHead(nn.Module):
    """ESM's head; the decoder's matrix is that of the embeddings."""

    def __init__(self, embeddings: nn.Embedding) -> None:
        super().__init__()
        width = embeddings.embedding_dim
        self.dense = nn.Linear(width, width)
        self.layer_norm = nn.LayerNorm(width, eps=PUBLISHED_LAYER_NORM_EPSILON)
        self.decoder = nn.Linear(width, embeddings.num_embeddings, bias=False)
        self.decoder.weight = embeddings.weight
        self.bias = nn.Parameter(torch.zeros(embeddings.num_embeddings))

    def forward(self, states: Tensor) -> Tensor:
        """(places, vocabulary) from (places, width)."""
        scores: Tensor = self.decoder(self.layer_norm(functional.gelu(self.dense(states)))) + self.bias
        return scores


@dataclass(frozen=True)
class Hidden:
    """Rows with some six-mers hidden, all (rows, tokens).

    Attributes:
        ids: what is read.
        predicted: where something is to be predicted.
        labels: what stood there.
    """

    ids: Tensor
    predicted: Tensor
    labels: Tensor


def pretrain_backbone(
    config: PretrainingConfig, bases: bytes, row_bases: int, folder: Path, seed: int, watcher: Watcher
) -> dict[str, float]:
    """Pre-train and write a folder that `load_embedder` reads.

    Args:
        config: sizes and steps.
        bases: the reference, upper case.
        row_bases: of the rows learnt from; those of a segment.
        folder: to write.
        seed: of weights, rows and masks.
        watcher: is told how far it is.

    Returns:
        Perplexities of hidden six-mers in the held-out end: of the model, and of the six-mers' frequencies.
    """
    torch.manual_seed(seed)
    generator = np.random.default_rng(seed)
    rows = _Rows(bases, row_bases)
    held_out = len(bases) - config.held_out_bases
    backbone = NucleotideTransformer(
        NucleotideTransformerShape("v2", len(VOCABULARY), config.width, config.layers, config.heads, config.inner_width)
    )
    head = LanguageHead(backbone.esm.embeddings.word_embeddings)
    frequencies = _log_frequencies(rows, held_out)
    with torch.no_grad():
        head.bias.copy_(frequencies)
    parameters = list({id(each): each for each in (*backbone.parameters(), *head.parameters())}.values())
    optimiser = torch.optim.AdamW(parameters, lr=config.learning_rate, betas=(0.9, 0.98), weight_decay=0.01)
    with watcher.watching("pre-training", config.steps) as advance:
        for step in range(config.steps):
            rate = config.learning_rate * _share_of_rate(step / config.steps)
            for group in optimiser.param_groups:
                group["lr"] = rate
            hidden = _hide(rows.draw(config.batch, 0, held_out, generator), config.masking_rate)
            loss = _loss(backbone, head, hidden)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch's own signature is untyped
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimiser.step()
            advance(1, {"loss": loss.item(), "learning_rate": rate})
    figures = _perplexities(backbone.eval(), head.eval(), rows, held_out, frequencies, config.masking_rate)
    _write(folder, config, backbone, head, figures)
    return figures


class _Rows:
    """Rows of six-mers from anywhere in a stretch, of either strand."""

    def __init__(self, bases: bytes, row_bases: int) -> None:
        self._text, self._row_bases = bases, row_bases
        self._tokenizer = Tokenizer.from_str(six_mer_tokenizer(VOCABULARY).decode())

    @property
    def bases(self) -> int:
        """Length of the stretch."""
        return len(self._text)

    def draw(self, count: int, start: int, end: int, generator: np.random.Generator) -> Tensor:
        """(count, tokens) int64 from between two places of the stretch."""
        places = generator.integers(start, end - self._row_bases, size=count, endpoint=True)
        texts = [self._text[place : place + self._row_bases] for place in places]
        turned = generator.random(count) < 0.5
        texts = [reverse_complement(text) if turn else text for text, turn in zip(texts, turned, strict=True)]
        encoded = self._tokenizer.encode_batch_fast([text.decode() for text in texts])
        longest = max(len(each.ids) for each in encoded)
        return torch.tensor([each.ids + [PADDING] * (longest - len(each.ids)) for each in encoded])


def _hide(ids: Tensor, rate: float) -> Hidden:
    """BERT's masking of six-mers: of those predicted 80 % become the mask, 10 % a random one, 10 % stay."""
    lot, fate = torch.rand(ids.shape), torch.rand(ids.shape)
    predicted = (lot < rate) & (ids >= SIX_MERS.start) & (ids < SIX_MERS.stop)
    drawn = torch.randint(SIX_MERS.start, SIX_MERS.stop, ids.shape)
    replaced = torch.where(fate < 0.8, torch.full_like(ids, MASK), torch.where(fate < 0.9, drawn, ids))
    return Hidden(torch.where(predicted, replaced, ids), predicted, ids)


def _scores(backbone: NucleotideTransformer, head: LanguageHead, hidden: Hidden) -> Tensor:
    states, _ = backbone(hidden.ids, (hidden.ids != PADDING).long())
    scores: Tensor = head(states[hidden.predicted])
    return scores


def _loss(backbone: NucleotideTransformer, head: LanguageHead, hidden: Hidden) -> Tensor:
    return functional.cross_entropy(_scores(backbone, head, hidden), hidden.labels[hidden.predicted])


def _log_frequencies(rows: _Rows, end: int) -> Tensor:
    """(vocabulary,) of six-mers before a place, one added to each."""
    counts = torch.ones(len(VOCABULARY))
    ids = rows.draw(4096, 0, end, np.random.default_rng(0)).flatten()
    counts += torch.bincount(ids, minlength=len(VOCABULARY))
    return (counts / counts.sum()).log()


@torch.no_grad()
def _perplexities(
    backbone: NucleotideTransformer, head: LanguageHead, rows: _Rows, held_out: int, frequencies: Tensor, rate: float
) -> dict[str, float]:
    torch.manual_seed(0)
    hidden = _hide(rows.draw(VALID_ROWS, held_out, rows.bases, np.random.default_rng(1)), rate)
    labels = hidden.labels[hidden.predicted]
    by_frequency = float(-frequencies[labels].mean())
    return {
        "perplexity": math.exp(float(_loss(backbone, head, hidden))),
        "frequency_perplexity": math.exp(by_frequency),
    }


def _share_of_rate(done: float) -> float:
    """Warm-up, then a cosine."""
    if done < WARM_UP:
        return (done + 1e-3) / WARM_UP
    return LEAST_RATE + (1 - LEAST_RATE) * 0.5 * (1 + math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP)))


def _write(
    folder: Path,
    config: PretrainingConfig,
    backbone: NucleotideTransformer,
    head: LanguageHead,
    figures: dict[str, float],
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    weights = {**backbone.state_dict(), **{f"lm_head.{key}": value for key, value in head.state_dict().items()}}
    content = save({key: value.clone().contiguous() for key, value in weights.items()}, metadata={"format": "pt"})
    write_atomically(folder / WEIGHTS, content)
    write_atomically(folder / VOCABULARY_FILE, "\n".join(VOCABULARY).encode())
    write_atomically(folder / PRETRAINED, json.dumps(figures, indent=2).encode() + b"\n")
    # Last, since it is what makes a folder a checkpoint.
    write_atomically(folder / CONFIG, json.dumps(_published_config(config), indent=2).encode() + b"\n")


def _published_config(config: PretrainingConfig) -> dict[str, Any]:
    return {
        "add_bias_fnn": False,
        "attention_probs_dropout_prob": 0.0,
        "emb_layer_norm_before": False,
        "hidden_dropout_prob": 0.0,
        "hidden_size": config.width,
        "intermediate_size": config.inner_width,
        "layer_norm_eps": PUBLISHED_LAYER_NORM_EPSILON,
        "mask_token_id": MASK,
        "num_attention_heads": config.heads,
        "num_hidden_layers": config.layers,
        "pad_token_id": PADDING,
        "position_embedding_type": "rotary",
        "tie_word_embeddings": False,
        "token_dropout": False,
        "vocab_size": len(VOCABULARY),
    }
