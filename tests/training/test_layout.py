"""A model takes its numbers from the tokenizer's file, not from constants."""

import pytest
from tokenizers import Tokenizer, models

from training.errors import DataError
from training.tokenizers.bpe import train_bpe
from training.tokenizers.layout import most_tokens, read_layout


def test_byte_pairs_have_two_special_tokens_and_pad_with_3() -> None:
    tokenizer_json = train_bpe(["ACGTACGT", "ACGACG"], vocabulary=12)

    layout = read_layout(tokenizer_json)

    assert (layout.vocabulary, layout.pad_token_id, layout.specials_per_sequence) == (12, 3, 2)
    assert layout.token_bases.tolist()[:9] == [0, 0, 0, 0, 0, 1, 1, 1, 1]
    assert set(layout.token_bases.tolist()[9:]) <= {2, 3, 4}


def test_at_worst_each_base_is_a_token() -> None:
    assert most_tokens(train_bpe(["ACGTACGT"], vocabulary=12), 50, only_bases=True) == 52


def test_a_tokenizer_without_padding_is_refused() -> None:
    bare = Tokenizer(models.WordLevel({"A": 0}, unk_token="A")).to_str().encode()

    with pytest.raises(DataError, match="has no padding token"):
        read_layout(bare)
