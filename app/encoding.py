"""A sequence becomes what a model reads, by the rules its manifest states.

The alphabet check is a table lookup per byte: no user text ever meets a regular expression.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer
from tokenizers.pre_tokenizers import Whitespace, WhitespaceSplit

from app.bundle import MOTIFS, TOKENIZER, Input, Manifest, Motifs
from app.errors import BundleError, ItemError

IUPAC_AMBIGUOUS = "RYSWKMBDHVN"
REFUSED = ord("!")
CODE_OF_LETTER = bytes.maketrans(b"ACGTN", bytes(range(5)))

# (length,) uint8 or uint16: token ids, or base codes A0 C1 G2 T3 N4; float32: dosages
Ids = npt.NDArray[np.integer | np.float32]


class EncodedSequence(NamedTuple):
    """One sequence as its model reads it.

    Attributes:
        bases: length of what the caller sent.
        ids: (length,) token ids with special tokens, or base codes A 0, C 1, G 2, T 3, N 4.
    """

    bases: int
    ids: Ids

    @property
    def tokens(self) -> int:
        """Length of the model's input."""
        return len(self.ids)


class SequenceRefused(ValueError):
    """A sequence the model does not accept; `reason` says why, without the sequence."""

    def __init__(self, code: str, detail: str, position: int | None = None) -> None:
        super().__init__(detail)
        self.code, self.detail, self.position = code, detail, position

    def at(self, pointer: str) -> ItemError:
        """This refusal as an item of a problem document."""
        return ItemError(pointer, self.code, self.detail, self.position)


class SequenceEncoder:
    """Checks and encodes sequences for one model; safe to use from several threads.

    Args:
        manifest: the model's.
        files: the bundle's files; `tokenizer.json` is read for the encoding `tokens`, and `motifs.txt` for motifs.

    Raises:
        BundleError: the tokenizer or the motifs cannot be read.
    """

    def __init__(self, manifest: Manifest, files: Mapping[str, bytes]) -> None:
        self._input = manifest.input
        self._table = _normalising_table(manifest.input)
        self._tokenizer = _read_tokenizer(manifest, files) if manifest.input.encoding == "tokens" else None
        self._whole = _without_splits(self._tokenizer)
        self._motifs = _read_motifs(manifest, manifest.input.motifs, files) if manifest.input.motifs else None

    def encode(self, sequences: Sequence[str]) -> list[EncodedSequence | SequenceRefused]:
        """Encode each sequence, or say why it is refused; the order is kept."""
        checked = [self.normalise(sequence) for sequence in sequences]
        accepted = [text for text in checked if isinstance(text, bytes)]
        if len(accepted) == len(checked):
            return self.encode_normalised(accepted)
        encoded = iter(self.encode_normalised(accepted))
        return [next(encoded) if isinstance(text, bytes) else text for text in checked]

    def encode_checked(self, texts: Sequence[str]) -> list[Ids]:
        """Encode texts that are known to be good: of A, C, G, T and N, of any length.

        Args:
            texts: for `tokens` with spaces where no token may cross.
        """
        if self._tokenizer is None:
            return [_base_codes(text.encode("ascii")) for text in texts]
        return self._tokenized(self._tokenizer, texts)

    def normalise(self, sequence: str) -> bytes | SequenceRefused:
        """A sequence in upper-case A, C, G, T and N, or why its length or one of its letters is refused."""
        if not sequence:
            return SequenceRefused("empty", "The sequence is empty.")
        if not self._input.min_bases <= len(sequence) <= self._input.max_bases:
            return self._refuse_length(len(sequence))
        return self.normalise_letters(sequence)

    def normalise_letters(self, sequence: str) -> bytes | SequenceRefused:
        """The same for a sequence of any length."""
        # "replace" turns each character outside ASCII into one "?", so positions stay the caller's.
        normalised = sequence.encode("ascii", "replace").translate(self._table)
        position = normalised.find(REFUSED)
        return normalised if position < 0 else self._refuse_base(position)

    def _refuse_length(self, bases: int) -> SequenceRefused:
        if bases > self._input.max_bases:
            limit = f"{bases} bases; this model reads at most {self._input.max_bases}."
            return SequenceRefused("too_long", limit)
        limit = f"{bases} bases; this model reads at least {self._input.min_bases}."
        return SequenceRefused("too_short", limit)

    def _refuse_base(self, position: int) -> SequenceRefused:
        letters = ", ".join(accepted_letters(self._input))
        detail = f"The character at index {position} is not a base; this model accepts {letters}."
        return SequenceRefused("invalid_base", detail, position)

    def encode_normalised(self, normalised: Sequence[bytes]) -> list[EncodedSequence | SequenceRefused]:
        """Encode what `normalise` has accepted; one that makes too many tokens is refused."""
        if self._tokenizer is None or self._whole is None:
            return [EncodedSequence(len(text), _base_codes(text)) for text in normalised]
        texts = [text.decode("ascii") for text in normalised]
        rows = self._tokenized(self._whole if self._motifs is None else self._tokenizer, texts)
        return [self._check_tokens(len(text), ids) for text, ids in zip(texts, rows, strict=True)]

    def check_ids(self, rows: Sequence[npt.NDArray[np.int64]]) -> list[EncodedSequence | SequenceRefused]:
        """Token ids that a caller has made, as `encode` would have, or why they are refused; for `tokens` only.

        Args:
            rows: of each sequence (length,), special tokens included.

        Returns:
            With 0 bases: nobody knows how many there were.
        """
        assert self._tokenizer is not None  # noqa: S101 - asked for models of tokens only
        vocabulary = self._tokenizer.get_vocab_size()
        return [self._check_row(row, vocabulary) for row in rows]

    def _check_row(self, row: npt.NDArray[np.int64], vocabulary: int) -> EncodedSequence | SequenceRefused:
        if not len(row):
            return SequenceRefused("empty", "The sequence has no tokens.")
        strange = (row < 0) | (row >= vocabulary) | (row == self._input.pad_token_id)
        if strange.any():
            position = int(strange.argmax())
            detail = f"The id at index {position} is padding, or not one of this model's {vocabulary} tokens."
            return SequenceRefused("invalid_token", detail, position)
        return self._check_tokens(0, row.astype(np.uint16))

    def _tokenized(self, tokenizer: Tokenizer, texts: Sequence[str]) -> list[Ids]:
        if self._motifs is not None:
            texts = [motif_text(text, self._motifs) for text in texts]
        return [np.array(encoding.ids, dtype=np.uint16) for encoding in tokenizer.encode_batch_fast(texts)]

    def _check_tokens(self, bases: int, ids: Ids) -> EncodedSequence | SequenceRefused:
        if len(ids) <= self._input.max_tokens:
            return EncodedSequence(bases, ids)
        limit = f"{len(ids)} tokens; this model reads at most {self._input.max_tokens}. Send fewer bases."
        return SequenceRefused("too_long", limit)


def motif_text(sequence: str, motifs: frozenset[str]) -> str:
    """The motifs that a window meets as it slides over a sequence base by base, in order, with spaces between them.

    Args:
        sequence: upper-case bases.
        motifs: all of one length, which is the window's; at least one.
    """
    bases = len(next(iter(motifs)))
    windows = (sequence[start : start + bases] for start in range(len(sequence) - bases + 1))
    return " ".join(filter(motifs.__contains__, windows))


def accepted_letters(rules: Input) -> str:
    """The letters a model accepts, in upper case."""
    ambiguous = {"refused": "", "n": "N", "iupac": IUPAC_AMBIGUOUS}[rules.ambiguous]
    return "ACGT" + ("U" if rules.accepts_u else "") + ambiguous


def _normalising_table(rules: Input) -> bytes:
    """256 bytes: each accepted letter, of either case, to A, C, G, T or N; everything else to `REFUSED`."""
    table = bytearray([REFUSED]) * 256
    for letter in accepted_letters(rules):
        read_as = letter if letter in "ACGT" else "T" if letter == "U" else "N"
        table[ord(letter)] = table[ord(letter.lower())] = ord(read_as)
    return bytes(table)


def _base_codes(normalised: bytes) -> Ids:
    return np.frombuffer(normalised.translate(CODE_OF_LETTER), dtype=np.uint8)


def _read_tokenizer(manifest: Manifest, files: Mapping[str, bytes]) -> Tokenizer:
    try:
        tokenizer = Tokenizer.from_buffer(files[TOKENIZER])
    except Exception as error:  # noqa: BLE001 - tokenizers raises bare Exception for a broken file
        raise BundleError(f"{manifest.name}/{TOKENIZER}: not a tokenizer ({type(error).__name__})") from None
    if tokenizer.get_vocab_size() > np.iinfo(np.uint16).max:
        raise BundleError(f"{manifest.name}/{TOKENIZER}: more than 65,535 tokens")
    # Set once and never again: changing them while another thread encodes raises "Already borrowed".
    tokenizer.no_padding()
    tokenizer.no_truncation()
    _remember_nothing(tokenizer)
    return tokenizer


def _remember_nothing(tokenizer: Tokenizer) -> None:
    """Turn off its memory of texts: they may be somebody's own, and how long one takes must not tell who had it."""
    resize = getattr(tokenizer.model, "_resize_cache", None)
    if resize is not None:  # a model that looks words up has none
        resize(0)


def _without_splits(tokenizer: Tokenizer | None) -> Tokenizer | None:
    """The same for texts without spaces, where to look for them takes a third of the time."""
    if tokenizer is None or not isinstance(tokenizer.pre_tokenizer, Whitespace | WhitespaceSplit):
        return tokenizer
    whole = Tokenizer.from_str(tokenizer.to_str())
    whole.pre_tokenizer = None
    _remember_nothing(whole)
    return whole


def _read_motifs(manifest: Manifest, rules: Motifs, files: Mapping[str, bytes]) -> frozenset[str]:
    lines = files[MOTIFS].decode("ascii", "replace").split()
    for number, line in enumerate(lines, start=1):
        if len(line) != rules.bases or set(line) - set("ACGT"):
            raise BundleError(f"{manifest.name}/{MOTIFS}: entry {number} is not {rules.bases} bases of A, C, G, T")
    if not lines or len(set(lines)) < len(lines):
        raise BundleError(f"{manifest.name}/{MOTIFS}: {'lists a motif twice' if lines else 'lists no motif'}")
    return frozenset(lines)
