"""A model under the names of the published checkpoint: the same modules, so what is loaded there is loaded here."""

from __future__ import annotations

from torch import nn

from training.backbones.dnabert2 import Dnabert2
from training.errors import ConfigError
from training.regressor import PoolerHead, Regressor


def published_names(model: Regressor) -> nn.Module:
    """A module whose state dict has the published keys and shares the model's weights.

    Without a pooler head it is the backbone alone.

    Raises:
        ConfigError: the backbone is none that was published.
    """
    head = model.head if isinstance(model.head, PoolerHead) else None
    if isinstance(model.backbone, Dnabert2):
        return _dnabert2(model.backbone.bert, head)
    parts = dict(model.backbone.named_children())
    if "esm" in parts:
        classifier = {"classifier": _named(dense=head.dense, out_proj=head.output)} if head else {}
        return _named(esm=parts["esm"], **classifier)
    raise ConfigError("model: this backbone has no published checkpoint")


def head_keys(named: nn.Module) -> frozenset[str]:
    """Keys of the head, which a checkpoint of a pre-trained backbone does not have."""
    return frozenset(key for key in named.state_dict() if key.startswith(("classifier.", "bert.pooler.")))


def _dnabert2(bert: nn.Module, head: PoolerHead | None) -> nn.Module:
    parts = dict(bert.named_children())
    if head is None:
        return _named(bert=_named(**parts))
    return _named(bert=_named(**parts, pooler=_named(dense=head.dense)), classifier=head.output)


def _named(**children: nn.Module) -> nn.Module:
    module = nn.Module()
    for name, child in children.items():
        module.add_module(name, child)
    return module
