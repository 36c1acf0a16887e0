"""A pre-trained model as a folder in the format of zhihan1996/DNABERT-2-117M, written whole or not at all."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import Tensor

from training.backbones.dnabert2 import PUBLISHED_LAYER_NORM_EPSILON, TOKEN_TYPES
from training.pretraining.card import card
from training.pretraining.config import PretrainConfig
from training.pretraining.pretrained import Pretrained

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
TOKENIZER = "tokenizer.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
METRICS = "metrics.json"
PROVENANCE = "provenance.json"
CARD = "README.md"

# The published model makes its attention bias for so many tokens before it sees any, and more when it has to.
STARTING_TOKENS = 512
# Names of the published code, as data: nothing here runs it, and readers know the format by them.
PUBLISHED_CLASSES = {
    "AutoConfig": "configuration_bert.BertConfig",
    "AutoModel": "bert_layers.BertModel",
    "AutoModelForMaskedLM": "bert_layers.BertForMaskedLM",
    "AutoModelForSequenceClassification": "bert_layers.BertForSequenceClassification",
}


def write_folder(folder: Path, pretrained: Pretrained) -> None:
    """Write all files beside their place and rename, in place of an earlier result."""
    beside, replaced = folder.with_name(f".{folder.name}.partial"), folder.with_name(f".{folder.name}.replaced")
    for leftover in (beside, replaced):
        shutil.rmtree(leftover, ignore_errors=True)
    beside.mkdir(parents=True)
    for name, content in files_of(pretrained).items():
        (beside / name).write_bytes(content)
    if folder.exists():
        folder.rename(replaced)
    beside.rename(folder)
    shutil.rmtree(replaced, ignore_errors=True)


def files_of(pretrained: Pretrained) -> dict[str, bytes]:
    """All files by name."""
    return {
        CONFIG: _json(model_config(pretrained.config)),
        WEIGHTS: save(weights(pretrained), metadata={"format": "pt"}),
        TOKENIZER: pretrained.tokenizer_json,
        TOKENIZER_CONFIG: _json(tokenizer_config()),
        METRICS: _json(pretrained.metrics),
        PROVENANCE: _json(provenance(pretrained)),
        CARD: card(pretrained).encode(),
    }


def weights(pretrained: Pretrained) -> dict[str, Tensor]:
    """The state in fp32; the decoder's matrix is written too, as in the published file, and so needs its own copy."""
    return {name: value.detach().float().clone() for name, value in pretrained.model.state_dict().items()}


def model_config(config: PretrainConfig) -> dict[str, Any]:
    """The published `config.json`, which has no `model_type`, with our sizes."""
    sizes = config.model
    return {
        "alibi_starting_size": STARTING_TOKENS,
        "attention_probs_dropout_prob": 0.0,
        "auto_map": PUBLISHED_CLASSES,
        "classifier_dropout": None,
        "gradient_checkpointing": False,
        "hidden_act": "gelu",
        "hidden_dropout_prob": sizes.dropout,
        "hidden_size": sizes.width,
        "initializer_range": 0.02,
        "intermediate_size": sizes.inner_width,
        "layer_norm_eps": PUBLISHED_LAYER_NORM_EPSILON,
        "max_position_embeddings": STARTING_TOKENS,
        "num_attention_heads": sizes.heads,
        "num_hidden_layers": sizes.layers,
        "position_embedding_type": "absolute",
        "torch_dtype": "float32",
        "type_vocab_size": TOKEN_TYPES,
        "use_cache": True,
        "vocab_size": config.vocabulary.entries,
    }


def tokenizer_config() -> dict[str, Any]:
    """The published `tokenizer_config.json`, with a length, since readers otherwise assume none."""
    return {
        "cls_token": "[CLS]",
        "mask_token": "[MASK]",
        "model_max_length": STARTING_TOKENS,
        "pad_token": "[PAD]",
        "sep_token": "[SEP]",
        "tokenizer_class": "PreTrainedTokenizerFast",
        "unk_token": "[UNK]",
    }


def provenance(pretrained: Pretrained) -> dict[str, Any]:
    """How the weights came to be."""
    return {
        "config": asdict(pretrained.config),
        "data_sha256": pretrained.data_sha256,
        "code_version": pretrained.code_version,
        "device": pretrained.device,
    }


def _json(content: dict[str, Any]) -> bytes:
    return json.dumps(content, indent=2).encode() + b"\n"
