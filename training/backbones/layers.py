"""The layers of any backbone, wrapped or not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from torch import nn


def layers_of(backbone: nn.Module) -> list[nn.Module]:
    """What a backbone applies one after the other, from its input up; peft's wrapping of it answers the same."""
    return list(cast("Iterable[nn.Module]", backbone.layers))
