"""What a `tokenizer.json` says of its own special tokens; nothing about their ids is assumed."""

from __future__ import annotations

from tokenizers import Tokenizer

from training.errors import DataError

PADDING_TOKENS = ("[PAD]", "<pad>")


def padding_id(tokenizer: Tokenizer) -> int:
    """The id that fills short rows.

    Raises:
        DataError: the vocabulary has no padding token.
    """
    known = (tokenizer.token_to_id(token) for token in PADDING_TOKENS)
    found = next((number for number in known if number is not None), None)
    if found is None:
        raise DataError(f"tokenizer.json: the vocabulary has no padding token ({' or '.join(PADDING_TOKENS)})")
    return found


def special_ids(tokenizer: Tokenizer) -> frozenset[int]:
    """Ids of tokens that stand for no base."""
    return frozenset(number for number, token in tokenizer.get_added_tokens_decoder().items() if token.special)


def special_tokens_per_sequence(tokenizer: Tokenizer) -> int:
    """How many tokens the tokenizer puts around a sequence."""
    return tokenizer.num_special_tokens_to_add(is_pair=False)
