"""Nucleotide Transformer's six-mers, versions 1 and 2, as a `tokenizers` pipeline.

Six bases from the left are one token; a base that is left over before an N or the end is a token of its own, and so is
each N. The pipeline gives what transformers' EsmTokenizer gives for the published vocab.txt.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Literal

from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors

from training.errors import DataError

BASES = "ATCG"
BASES_PER_TOKEN = 6
UNKNOWN, PAD, MASK, START = "<unk>", "<pad>", "<mask>", "<cls>"
SPECIAL_TOKENS = {"v1": (UNKNOWN, PAD, MASK, START), "v2": (UNKNOWN, PAD, MASK, START, "<eos>", "<bos>")}


def six_mer_vocabulary(version: Literal["v1", "v2"]) -> tuple[str, ...]:
    """The entries in their published order: special tokens, all six-mers over A T C G, then A T C G N."""
    six_mers = ("".join(letters) for letters in product(BASES, repeat=BASES_PER_TOKEN))
    return (*SPECIAL_TOKENS[version], *six_mers, *BASES, "N")


def six_mer_tokenizer(vocabulary: Sequence[str]) -> bytes:
    """Build the tokenizer of a vocabulary.

    Args:
        vocabulary: entries in the order of their ids, as a published vocab.txt lists them, one a line.

    Returns:
        The content of `tokenizer.json`.

    Raises:
        DataError: an entry is missing, or stands there twice.
    """
    ids = {token: number for number, token in enumerate(vocabulary)}
    if len(ids) < len(vocabulary):
        raise DataError("vocab.txt: an entry stands there twice")
    if missing := [token for token in six_mer_vocabulary("v1") if token not in ids]:
        raise DataError(f"vocab.txt: {missing[0]} is missing, so it is not a vocabulary of six-mers")
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split(Regex("[ACGT]{6}|[ACGTN]"), "isolated")]
    )
    tokenizer.add_special_tokens([token for token in SPECIAL_TOKENS["v2"] if token in ids])
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{START} $A", special_tokens=[(START, ids[START])])
    return tokenizer.to_str(pretty=True).encode()
