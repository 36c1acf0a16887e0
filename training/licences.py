"""Which licences a bundle may have, given where its weights come from."""

from __future__ import annotations

import re

from training.errors import ConfigError
from training.recipe import ModelConfig

NUCLEOTIDE_TRANSFORMER = "CC-BY-NC-SA-4.0"
NON_COMMERCIAL = re.compile(r"\bNC\b|non-?commercial", re.IGNORECASE)


def check_licence(model: ModelConfig, licence: str) -> None:
    """Refuse to give Nucleotide Transformer's weights, or weights learnt from them, away for commercial use.

    Raises:
        ConfigError: the licence is another than a non-commercial one, or none is named.
    """
    if not licence.strip():
        raise ConfigError("bundle.licence: name one, such as that of the weights and data the model was made from")
    if model.backbone != "nucleotide_transformer" or not model.checkpoint or NON_COMMERCIAL.search(licence):
        return
    raise ConfigError(
        f"bundle.licence: {licence!r} is no non-commercial licence, and Nucleotide Transformer's weights are under "
        f'{NUCLEOTIDE_TRANSFORMER}, which whatever is trained from them keeps: licence = "{NUCLEOTIDE_TRANSFORMER}"'
    )
