"""Letters of bases: complement, what a model reads, and the codes for two bases at once."""

from __future__ import annotations

IUPAC_CODES = {
    b"AG": b"R", b"CT": b"Y", b"CG": b"S", b"AT": b"W", b"GT": b"K", b"AC": b"M",
    b"CGT": b"B", b"AGT": b"D", b"ACT": b"H", b"ACG": b"V", b"ACGT": b"N",
}  # fmt: skip
BASES_OF_CODE = {code: bases for bases, code in IUPAC_CODES.items()}
CODES = b"ACGTRYSWKMBDHVN"

_COMPLEMENT = bytes.maketrans(CODES + CODES.lower(), b"TGCAYRSWMKVHDBNtgcayrswmkvhdbn")
_MODEL = bytes(ord(chr(code).upper()) if chr(code) in "ACGTacgt" else ord("N") for code in range(256))
# The VCF standard writes an ambiguous base of the reference as the first of its bases in the alphabet.
_FIRST_BASE = bytes.maketrans(b"RYSWKMBDHV", b"ACCAGACAAA")


def reverse_complement(bases: bytes) -> bytes:
    """The other strand, read in its own direction; case and IUPAC codes are kept."""
    return bases.translate(_COMPLEMENT)[::-1]


def model_letters(bases: bytes) -> bytes:
    """What a model reads: A, C, G and T in upper case, N for everything else."""
    return bases.translate(_MODEL)


def is_sequence(bases: bytes) -> bool:
    """Whether an allele is written out: bases and IUPAC codes of either case, at least one."""
    return bool(bases) and not bases.upper().translate(None, CODES)


def is_ambiguous(bases: bytes) -> bool:
    """Whether there is a letter beside A, C, G and T of either case."""
    return bool(bases.translate(None, b"ACGTacgt"))


def reduced(bases: bytes) -> bytes:
    """Upper-case bases as a VCF's REF column writes them: IUPAC codes other than N as their first base."""
    return bases.translate(_FIRST_BASE)


def code_of_two(first: bytes, second: bytes) -> bytes:
    """The IUPAC code that stands for either of two letters, themselves bases or codes."""
    bases = {base for letter in (first, second) for base in BASES_OF_CODE.get(letter.upper(), letter.upper())}
    joined = bytes(sorted(bases))
    return IUPAC_CODES.get(joined, joined) if len(joined) > 1 else joined


def shared_bases(first: bytes, second: bytes) -> int:
    """How many bases both begin with."""
    unequal = (at for at, (one, other) in enumerate(zip(first, second, strict=False)) if one != other)
    return next(unequal, min(len(first), len(second)))
