"""Small random checkpoints in the published formats.

Keys and shapes are typed from descriptions of the published files, so that they check our modules and not themselves.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from torch import Tensor

Shapes = dict[str, tuple[int, ...]]
Format = Literal["safetensors", "bin", "safetensors shards", "bin shards"]


@dataclass(frozen=True)
class Sizes:
    vocabulary: int
    width: int = 12
    layers: int = 2
    heads: int = 3
    inner_width: int = 8


DNABERT2_VOCABULARY = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]", "A", "C", "G", "T", "AA", "TG", "TGA"]
SIX_MERS = ["".join(letters) for letters in product("ATCG", repeat=6)]
V1_VOCABULARY = ["<unk>", "<pad>", "<mask>", "<cls>", *SIX_MERS, "A", "T", "C", "G", "N"]
V2_VOCABULARY = ["<unk>", "<pad>", "<mask>", "<cls>", "<eos>", "<bos>", *SIX_MERS, "A", "T", "C", "G", "N"]

DNABERT2 = Sizes(vocabulary=len(DNABERT2_VOCABULARY))
V1 = Sizes(vocabulary=4105, heads=2)
V2 = Sizes(vocabulary=4107, heads=2)


def dnabert2_config(sizes: Sizes = DNABERT2) -> dict[str, Any]:
    """As published: no model_type, no architectures, no pad_token_id."""
    return {
        "alibi_starting_size": 512,
        "attention_probs_dropout_prob": 0.0,
        "auto_map": {
            "AutoConfig": "configuration_bert.BertConfig",
            "AutoModel": "bert_layers.BertModel",
            "AutoModelForMaskedLM": "bert_layers.BertForMaskedLM",
            "AutoModelForSequenceClassification": "bert_layers.BertForSequenceClassification",
        },
        "classifier_dropout": None,
        "gradient_checkpointing": False,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "hidden_size": sizes.width,
        "initializer_range": 0.02,
        "intermediate_size": sizes.inner_width,
        "layer_norm_eps": 1e-12,
        "max_position_embeddings": 512,
        "num_attention_heads": sizes.heads,
        "num_hidden_layers": sizes.layers,
        "position_embedding_type": "absolute",
        "torch_dtype": "float32",
        "transformers_version": "4.28.0",
        "type_vocab_size": 2,
        "use_cache": True,
        "vocab_size": sizes.vocabulary,
    }


def dnabert2_shapes(sizes: Sizes = DNABERT2) -> Shapes:
    """The encoder, without any head."""
    width, inner = sizes.width, sizes.inner_width
    shapes: Shapes = {
        "bert.embeddings.word_embeddings.weight": (sizes.vocabulary, width),
        "bert.embeddings.token_type_embeddings.weight": (2, width),
        "bert.embeddings.LayerNorm.weight": (width,),
        "bert.embeddings.LayerNorm.bias": (width,),
    }
    for layer in range(sizes.layers):
        shapes |= {
            f"bert.encoder.layer.{layer}.attention.self.Wqkv.weight": (3 * width, width),
            f"bert.encoder.layer.{layer}.attention.self.Wqkv.bias": (3 * width,),
            f"bert.encoder.layer.{layer}.attention.output.dense.weight": (width, width),
            f"bert.encoder.layer.{layer}.attention.output.dense.bias": (width,),
            f"bert.encoder.layer.{layer}.attention.output.LayerNorm.weight": (width,),
            f"bert.encoder.layer.{layer}.attention.output.LayerNorm.bias": (width,),
            f"bert.encoder.layer.{layer}.mlp.gated_layers.weight": (2 * inner, width),
            f"bert.encoder.layer.{layer}.mlp.wo.weight": (width, inner),
            f"bert.encoder.layer.{layer}.mlp.wo.bias": (width,),
            f"bert.encoder.layer.{layer}.mlp.layernorm.weight": (width,),
            f"bert.encoder.layer.{layer}.mlp.layernorm.bias": (width,),
        }
    return shapes


def dnabert2_language_head(sizes: Sizes = DNABERT2) -> Shapes:
    width = sizes.width
    return {
        "cls.predictions.transform.dense.weight": (width, width),
        "cls.predictions.transform.dense.bias": (width,),
        "cls.predictions.transform.LayerNorm.weight": (width,),
        "cls.predictions.transform.LayerNorm.bias": (width,),
        "cls.predictions.decoder.weight": (sizes.vocabulary, width),
        "cls.predictions.decoder.bias": (sizes.vocabulary,),
    }


def dnabert2_regression_head(outputs: int, sizes: Sizes = DNABERT2) -> Shapes:
    return {
        "bert.pooler.dense.weight": (sizes.width, sizes.width),
        "bert.pooler.dense.bias": (sizes.width,),
        "classifier.weight": (outputs, sizes.width),
        "classifier.bias": (outputs,),
    }


def v2_config(sizes: Sizes = V2) -> dict[str, Any]:
    """Nucleotide Transformer v2, as published: no model_type."""
    return {
        "add_bias_fnn": False,
        "attention_probs_dropout_prob": 0.0,
        "auto_map": {
            "AutoConfig": "esm_config.EsmConfig",
            "AutoModelForMaskedLM": "modeling_esm.EsmForMaskedLM",
            "AutoModelForSequenceClassification": "modeling_esm.EsmForSequenceClassification",
        },
        "emb_layer_norm_before": False,
        "esmfold_config": None,
        "hidden_dropout_prob": 0.0,
        "hidden_size": sizes.width,
        "initializer_range": 0.02,
        "intermediate_size": sizes.inner_width,
        "layer_norm_eps": 1e-12,
        "mask_token_id": 2,
        "max_position_embeddings": 2050,
        "num_attention_heads": sizes.heads,
        "num_hidden_layers": sizes.layers,
        "pad_token_id": 1,
        "position_embedding_type": "rotary",
        "tie_word_embeddings": False,
        "token_dropout": False,
        "vocab_size": sizes.vocabulary,
    }


def v2_shapes(sizes: Sizes = V2) -> Shapes:
    """The encoder with what the published files carry besides it: unused positions and the rotary frequencies."""
    width, inner = sizes.width, sizes.inner_width
    shapes: Shapes = {
        "esm.embeddings.word_embeddings.weight": (sizes.vocabulary, width),
        "esm.embeddings.position_embeddings.weight": (2050, width),
        "esm.encoder.emb_layer_norm_after.weight": (width,),
        "esm.encoder.emb_layer_norm_after.bias": (width,),
        "esm.contact_head.regression.weight": (1, sizes.layers * sizes.heads),
        "esm.contact_head.regression.bias": (1,),
    }
    for layer in range(sizes.layers):
        shapes |= {
            f"esm.encoder.layer.{layer}.attention.self.query.weight": (width, width),
            f"esm.encoder.layer.{layer}.attention.self.query.bias": (width,),
            f"esm.encoder.layer.{layer}.attention.self.key.weight": (width, width),
            f"esm.encoder.layer.{layer}.attention.self.key.bias": (width,),
            f"esm.encoder.layer.{layer}.attention.self.value.weight": (width, width),
            f"esm.encoder.layer.{layer}.attention.self.value.bias": (width,),
            f"esm.encoder.layer.{layer}.attention.self.rotary_embeddings.inv_freq": (width // sizes.heads // 2,),
            f"esm.encoder.layer.{layer}.attention.output.dense.weight": (width, width),
            f"esm.encoder.layer.{layer}.attention.output.dense.bias": (width,),
            f"esm.encoder.layer.{layer}.attention.LayerNorm.weight": (width,),
            f"esm.encoder.layer.{layer}.attention.LayerNorm.bias": (width,),
            f"esm.encoder.layer.{layer}.intermediate.dense.weight": (2 * inner, width),
            f"esm.encoder.layer.{layer}.output.dense.weight": (width, inner),
            f"esm.encoder.layer.{layer}.LayerNorm.weight": (width,),
            f"esm.encoder.layer.{layer}.LayerNorm.bias": (width,),
        }
    return shapes


def v2_language_head(sizes: Sizes = V2) -> Shapes:
    return {
        "lm_head.dense.weight": (sizes.width, sizes.width),
        "lm_head.dense.bias": (sizes.width,),
        "lm_head.layer_norm.weight": (sizes.width,),
        "lm_head.layer_norm.bias": (sizes.width,),
        "lm_head.decoder.weight": (sizes.vocabulary, sizes.width),
        "lm_head.bias": (sizes.vocabulary,),
    }


def v2_regression_head(outputs: int, sizes: Sizes = V2) -> Shapes:
    return {
        "classifier.dense.weight": (sizes.width, sizes.width),
        "classifier.dense.bias": (sizes.width,),
        "classifier.out_proj.weight": (outputs, sizes.width),
        "classifier.out_proj.bias": (outputs,),
    }


def random_weights(shapes: Shapes, seed: int = 0) -> dict[str, Tensor]:
    """Weights that no symmetry hides behind; frequencies as rotary positions have them."""
    generator = torch.Generator().manual_seed(seed)
    weights = {key: torch.randn(shape, generator=generator) * 0.3 for key, shape in sorted(shapes.items())}
    for key, value in weights.items():
        if key.endswith("inv_freq"):
            channels = 2 * len(value)
            weights[key] = 10000.0 ** -(torch.arange(0, channels, 2) / channels)
    return weights


def write_dnabert2(folder: Path, shapes: Shapes | None = None, form: Format = "safetensors", seed: int = 0) -> Path:
    """A pre-trained DNABERT-2 with its language-model head, or whatever else the shapes say."""
    shapes = dnabert2_shapes() | dnabert2_language_head() if shapes is None else shapes
    write_checkpoint(folder, dnabert2_config(), random_weights(shapes, seed), form)
    (folder / "tokenizer.json").write_bytes(dnabert2_tokenizer())
    return folder


def write_v2(folder: Path, shapes: Shapes | None = None, form: Format = "safetensors", seed: int = 0) -> Path:
    """A pre-trained Nucleotide Transformer v2 with its language-model head, or whatever else the shapes say."""
    shapes = v2_shapes() | v2_language_head() if shapes is None else shapes
    write_checkpoint(folder, v2_config(), random_weights(shapes, seed), form)
    write_vocabulary(folder, V2_VOCABULARY)
    return folder


def write_checkpoint(folder: Path, config: dict[str, Any], weights: Mapping[str, Tensor], form: Format) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    kind, _, sharded = form.partition(" ")
    stem, suffix = {"safetensors": ("model", ".safetensors"), "bin": ("pytorch_model", ".bin")}[kind]
    if not sharded:
        write_weights(folder / f"{stem}{suffix}", weights)
        return
    keys = sorted(weights)
    halves = {f"{stem}-0000{n}-of-00002{suffix}": keys[n - 1 :: 2] for n in (1, 2)}
    for name, half in halves.items():
        write_weights(folder / name, {key: weights[key] for key in half})
    places = {key: name for name, half in halves.items() for key in half}
    (folder / f"{stem}{suffix}.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))


def write_weights(path: Path, weights: Mapping[str, Tensor]) -> None:
    if path.suffix == ".safetensors":
        save_file(dict(weights), path, metadata={"format": "pt"})
    else:
        torch.save(dict(weights), path)


def write_vocabulary(folder: Path, tokens: list[str]) -> None:
    (folder / "vocab.txt").write_text("\n".join(tokens))


def dnabert2_tokenizer(vocabulary: list[str] = DNABERT2_VOCABULARY) -> bytes:
    """A byte-pair encoding in the published file's layout, its ids the places in the list."""
    ids = {token: number for number, token in enumerate(vocabulary)}
    merges = [("A", "A"), ("T", "G"), ("TG", "A")]
    tokenizer = Tokenizer(models.BPE(ids, merges, unk_token="[UNK]", fuse_unk=False))
    tokenizer.add_special_tokens(["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"])
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])]
    )
    return tokenizer.to_str().encode()
