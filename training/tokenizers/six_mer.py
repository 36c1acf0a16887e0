"""Nucleotide Transformer's six-mers: cut from the left, leftovers as single bases, each N a token of its own."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors

UNKNOWN, PADDING, START = "<unk>", "<pad>", "<cls>"
SPECIAL_TOKENS = ("<unk>", "<pad>", "<mask>", "<cls>", "<eos>", "<bos>")
BASES_PER_TOKEN = 6


def six_mer_tokenizer(vocab_lines: Sequence[str]) -> bytes:
    """Turn a published `vocab.txt` into the content of `tokenizer.json`.

    Args:
        vocab_lines: one token a line, in the order of their ids.

    Returns:
        A tokenizer that cuts as transformers' EsmTokenizer does with that vocabulary: `<cls>` first, no end token.
    """
    vocabulary = {token: number for number, token in enumerate(vocab_lines)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    tokenizer.add_special_tokens([token for token in SPECIAL_TOKENS if token in vocabulary])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split(Regex("[ACGT]{6}|[ACGTN]"), "isolated")]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A", special_tokens=[(START, vocabulary[START])]
    )
    return tokenizer.to_str(pretty=True).encode()


def published_vocabulary(version: str) -> list[str]:
    """The lines of the published `vocab.txt`: 4,105 for v1; v2 has `<eos>` and `<bos>` too."""
    specials = SPECIAL_TOKENS if version == "v2" else SPECIAL_TOKENS[:4]
    return [*specials, *("".join(letters) for letters in product("ATCG", repeat=BASES_PER_TOKEN)), *"ATCGN"]
