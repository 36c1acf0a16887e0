"""A card to fill in for a model that was fine-tuned elsewhere."""

from __future__ import annotations

from training.importing import FineTuned, count_outputs
from training.licences import NUCLEOTIDE_TRANSFORMER
from training.tokenizers.six_mer import BASES_PER_TOKEN

LONGEST_BASES = 4000


def card_template(found: FineTuned) -> str:
    """A card in TOML, filled in as far as the model's files say, with an example everywhere else."""
    targets = range(1, count_outputs(found, found.weights()) + 1)
    return "\n".join([_BUNDLE.format(**_known(found)), *(_TARGET.format(number=number) for number in targets)])


def _known(found: FineTuned) -> dict[str, object]:
    limit = found.config.longest_tokens
    is_restricted = found.config.backbone == "nucleotide_transformer"
    return {
        "licence": NUCLEOTIDE_TRANSFORMER if is_restricted else "Apache-2.0",
        "max_bases": min(LONGEST_BASES, (limit - 1) * BASES_PER_TOKEN) if limit else LONGEST_BASES,
    }


_BUNDLE = """\
[bundle]
name = "my-model"              # folder in models/ and name on the wire
version = "1.0.0"
title = "My model"
summary = "Predicts ... from ... ."
task = "expression"            # or decay, ...
organism = "Homo sapiens"
assembly = ""                  # such as GRCh38; empty for sequences that lie on no assembly
licence = "{licence}"
citation = "Who made the data and the model, and where it is described."
intended_use = "Research: ..."
limits = "What it was not measured on, and must not be used for."
min_bases = 1
max_bases = {max_bases}
max_tokens = 0                 # longest input in tokens, special ones included; 0: what max_bases comes to at worst
ambiguous = "n"                # letters beside A, C, G, T and U: refused | n | iupac
golden_sequences = ["ACGTACGTACGTACGTACGT"]   # what the model answers for them is checked at every start
"""

_TARGET = """\
[[targets]]                    # output {number} of the model
name = "target_{number}"
unit = "log10 TPM"
scale = "log10"                # linear | log2 | log10 | ln | other
pseudocount = 0.0              # what was added before the logarithm was taken
higher_means = "more expressed"
description = "What was measured, and how."
mean = 0.0                     # of the values before they were standardised for training; 0 and 1 if they were not
standard_deviation = 1.0
"""
