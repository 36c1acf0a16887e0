"""What a `tokenizer.json` says about itself: ids, special tokens, and how many bases a token stands for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer, models

from training.errors import DataError

PAD_TOKENS = ("[PAD]", "<pad>")


@dataclass(frozen=True)
class Layout:
    """The numbers that a model and its manifest take from a tokenizer.

    Attributes:
        vocabulary: entries.
        pad_token_id: what fills short rows.
        specials_per_sequence: special tokens that are put around one sequence.
        token_bases: (vocabulary,) int64, bases in each token, 0 for special tokens.
    """

    vocabulary: int
    pad_token_id: int
    specials_per_sequence: int
    token_bases: npt.NDArray[np.int64]


def read_layout(tokenizer_json: bytes) -> Layout:
    """Read a tokenizer's layout.

    Raises:
        DataError: it has no padding token.
    """
    tokenizer = Tokenizer.from_buffer(tokenizer_json)
    pads = [number for name in PAD_TOKENS if (number := tokenizer.token_to_id(name)) is not None]
    if not pads:
        raise DataError(f"tokenizer.json: has no padding token ({' or '.join(PAD_TOKENS)})")
    return Layout(
        vocabulary=tokenizer.get_vocab_size(),
        pad_token_id=pads[0],
        specials_per_sequence=tokenizer.num_special_tokens_to_add(is_pair=False),
        token_bases=_token_bases(tokenizer),
    )


def most_tokens(tokenizer_json: bytes, max_bases: int, only_bases: bool) -> int:
    """The most tokens that a sequence can give, special tokens included.

    Args:
        tokenizer_json: content of `tokenizer.json`.
        max_bases: the longest sequence.
        only_bases: no letter but A, C, G and T is accepted.
    """
    tokenizer = Tokenizer.from_buffer(tokenizer_json)
    if isinstance(tokenizer.model, models.WordLevel) and only_bases:
        # It cuts by position alone, so any sequence of a length tells; 6 n + 5 bases leave five single letters.
        lengths = range(max(1, max_bases - 5), max_bases + 1)
        return max(len(tokenizer.encode("A" * length).ids) for length in lengths)
    # At worst each base is a token of its own.
    return max_bases + tokenizer.num_special_tokens_to_add(is_pair=False)


def most_motif_tokens(tokenizer_json: bytes, motifs: list[str], max_bases: int) -> int:
    """The most tokens that a sequence's motifs can give: each window is the motif that is cut into most pieces."""
    tokenizer = Tokenizer.from_buffer(tokenizer_json)
    specials = tokenizer.num_special_tokens_to_add(is_pair=False)
    pieces = max(len(tokenizer.encode(motif).ids) for motif in motifs) - specials
    return specials + pieces * (max_bases - len(motifs[0]) + 1)


def _token_bases(tokenizer: Tokenizer) -> npt.NDArray[np.int64]:
    bases = np.zeros(tokenizer.get_vocab_size(), dtype=np.int64)
    special = {number for number, token in tokenizer.get_added_tokens_decoder().items() if token.special}
    for token, number in tokenizer.get_vocab().items():
        bases[number] = 0 if number in special else len(token.removeprefix("##"))
    return bases
