"""Six-mers are cut and numbered as transformers' EsmTokenizer does for the published vocabularies."""

from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from transformers import EsmTokenizer

from training.errors import DataError
from training.tokenizers.layout import most_tokens, read_layout
from training.tokenizers.six_mer import six_mer_tokenizer, six_mer_vocabulary

VERSIONS: list[Literal["v1", "v2"]] = ["v1", "v2"]
Pair = tuple[Tokenizer, EsmTokenizer]


@pytest.fixture(scope="module", params=VERSIONS)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """Ours and transformers', of one vocabulary."""
    vocabulary = six_mer_vocabulary(request.param)
    path = tmp_path_factory.mktemp("nucleotide-transformer") / "vocab.txt"
    path.write_text("\n".join(vocabulary))
    return Tokenizer.from_buffer(six_mer_tokenizer(vocabulary)), EsmTokenizer(str(path), eos_token=None)


def both(pair: Pair, sequence: str) -> tuple[list[int], list[int]]:
    ours, theirs = pair
    return ours.encode(sequence).ids, theirs(sequence)["input_ids"]


@pytest.mark.parametrize(("version", "entries", "first"), [("v1", 4105, 4), ("v2", 4107, 6)])
def test_vocabularies_have_the_published_size_and_order(version: Literal["v1", "v2"], entries: int, first: int) -> None:
    vocabulary = six_mer_vocabulary(version)

    assert len(vocabulary) == entries
    assert vocabulary[:4] == ("<unk>", "<pad>", "<mask>", "<cls>")
    assert vocabulary[first : first + 5] == ("AAAAAA", "AAAAAT", "AAAAAC", "AAAAAG", "AAAATA")
    assert vocabulary[-5:] == ("A", "T", "C", "G", "N")


def test_a_sequence_stands_after_cls_and_has_no_end() -> None:
    tokenizer = Tokenizer.from_buffer(six_mer_tokenizer(six_mer_vocabulary("v2")))

    assert tokenizer.encode("ACGTACGTNACGTACA").tokens == ["<cls>", "ACGTAC", "G", "T", "N", "ACGTAC", "A"]
    assert len(tokenizer.encode("A" * 251)) == 47  # 41 six-mers, 5 letters, <cls>


@settings(max_examples=150, deadline=None)
@given(sequence=st.text(alphabet="ACGTN", max_size=200))
def test_bases_and_n_are_cut_as_transformers_cuts_them(pair: Pair, sequence: str) -> None:
    ours, theirs = both(pair, sequence)
    assert ours == theirs


@settings(max_examples=150, deadline=None)
@given(sequence=st.text(alphabet="ACGTACGTACGTNURYacgtn-", max_size=100))
def test_other_letters_too(pair: Pair, sequence: str) -> None:
    ours, theirs = both(pair, sequence)
    assert ours == theirs


@settings(max_examples=10, deadline=None)
@given(pieces=st.lists(st.text(alphabet="ACGTN", min_size=1, max_size=60), min_size=50, max_size=100))
def test_long_sequences_too(pair: Pair, pieces: list[str]) -> None:
    ours, theirs = both(pair, "".join(pieces)[:6000])
    assert ours == theirs


@pytest.mark.parametrize("version", VERSIONS)
def test_the_layout_is_read_from_the_tokenizer(version: Literal["v1", "v2"]) -> None:
    vocabulary = six_mer_vocabulary(version)
    layout = read_layout(six_mer_tokenizer(vocabulary))

    assert (layout.vocabulary, layout.pad_token_id, layout.specials_per_sequence) == (len(vocabulary), 1, 1)
    bases = {token: int(layout.token_bases[number]) for number, token in enumerate(vocabulary)}
    assert (bases["<cls>"], bases["<mask>"], bases["ACGTAC"], bases["A"], bases["N"]) == (0, 0, 6, 1, 1)


@pytest.mark.parametrize(("bases", "tokens"), [(1, 2), (6, 6), (11, 7), (12, 7), (17, 8), (6000, 1005)])
def test_the_longest_input_is_the_worst_length_not_the_worst_letter(bases: int, tokens: int) -> None:
    tokenizer_json = six_mer_tokenizer(six_mer_vocabulary("v2"))

    # <cls>, six-mers, and five letters of a sequence of 6 n + 5 bases that is not longer
    assert most_tokens(tokenizer_json, bases, only_bases=True) == tokens
    assert most_tokens(tokenizer_json, bases, only_bases=False) == bases + 1


@pytest.mark.parametrize(
    ("vocabulary", "message"),
    [
        (["<unk>", "<pad>", "<mask>", "<cls>", "A"], r"vocab\.txt: AAAAAA is missing"),
        (["A", "A"], r"vocab\.txt: an entry stands there twice"),
    ],
)
def test_what_is_no_vocabulary_of_six_mers_is_refused(vocabulary: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        six_mer_tokenizer(vocabulary)
