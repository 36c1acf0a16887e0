"""Genotype columns: from the text of many records at once to arrays of alleles.

Nearly every column of nearly every VCF begins with one digit, a separator and one digit. Those are read by numpy from
the raw bytes; whatever else there is (half calls, haploid calls, long indices, leading separators) is read one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from app.genome.genotypes import ABSENT, MISSING
from app.genome.vcf.record import MAX_POSITION, MAX_POSITION_DIGITS, Record
from app.genome.vcf.refusals import at_line

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]

TAB, COLON, BAR, SLASH = b"\t:|/"
PLAIN_BYTES = 4  # such as 0|1 and the tab after it
MAX_INDEX_DIGITS = 4
REMEMBERED = 1024

DIGIT_ZERO = np.uint8(ord("0"))


class Call(NamedTuple):
    """One sample's genotype in one record."""

    first: int
    second: int
    phased: bool


@dataclass(frozen=True, slots=True, eq=False)
class Calls:
    """The genotypes of some records.

    Attributes:
        alleles: (records, samples, 2).
        phased: (records, samples).
        phase_sets: (records, samples), None where FORMAT has no PS.
    """

    alleles: npt.NDArray[np.int16]
    phased: Bools
    phase_sets: Ints | None


def read_calls(records: Sequence[Record], samples: int, chosen: Ints | None) -> Calls:
    """Read the genotypes of records that share one FORMAT.

    Args:
        records: at least one.
        samples: columns of the file, at least one.
        chosen: (samples asked for) their columns, None for all.

    Raises:
        VcfRefused: a genotype cannot be read, has more than two alleles, or one that ALT does not have.
    """
    phase_set_field = _phase_set_field(records[0])
    alleles, phased, other = _simple_calls(_heads(records, samples, chosen))
    known: dict[bytes, Call] = {}
    for row in np.flatnonzero(other.any(axis=1)).tolist():
        cells = _cells(records[row], chosen)
        for column in np.flatnonzero(other[row]).tolist():
            call = _read_call(cells[column].partition(b":")[0], records[row].line, known)
            alleles[row, column], phased[row, column] = call[:2], call.phased
    _check_indices(records, alleles)
    phase_sets = None if phase_set_field is None else _phase_sets(records, chosen, phase_set_field)
    return Calls(alleles, phased, phase_sets)


def _phase_set_field(record: Record) -> int | None:
    """Where PS stands in FORMAT, None if it does not."""
    names = record.format.split(b":")
    if names[0] != b"GT":
        raise at_line("vcf_format", record.line, "GT comes first in FORMAT; without genotypes there are no haplotypes.")
    return names.index(b"PS") if b"PS" in names else None


def _heads(records: Sequence[Record], samples: int, chosen: Ints | None) -> Bytes:
    """(records, samples, 4) the first bytes of the wanted columns, and what follows where a column is shorter."""
    text = b"\t".join([record.calls for record in records]) + b"\t"
    wanted = slice(None) if chosen is None else chosen
    plain = len(records) * samples
    if len(text) == plain * PLAIN_BYTES and text[PLAIN_BYTES - 1 :: PLAIN_BYTES].count(TAB) == plain:
        return np.frombuffer(text, dtype=np.uint8).reshape(-1, samples, PLAIN_BYTES)[:, wanted]
    tabs = np.flatnonzero(np.frombuffer(text, dtype=np.uint8) == TAB)
    starts = np.concatenate(([0], tabs[:-1] + 1)).reshape(-1, samples)[:, wanted]
    padded = np.frombuffer(text + bytes(PLAIN_BYTES), dtype=np.uint8)
    return np.lib.stride_tricks.sliding_window_view(padded, PLAIN_BYTES)[starts]


def _simple_calls(heads: Bytes) -> tuple[npt.NDArray[np.int16], Bools, Bools]:
    """The calls of one digit, a separator and one digit; whether they are phased; and which columns hold another."""
    first, separators, second, followers = (heads[..., byte] for byte in range(PLAIN_BYTES))
    alleles = np.empty((*separators.shape, 2), dtype=np.int16)
    alleles[..., 0] = first - DIGIT_ZERO
    alleles[..., 1] = second - DIGIT_ZERO
    phased = separators == BAR
    simple = phased | (separators == SLASH)
    simple &= (first - DIGIT_ZERO < 10) & (second - DIGIT_ZERO < 10)
    simple &= (followers == TAB) | (followers == COLON)
    return alleles, phased, ~simple


def _cells(record: Record, chosen: Ints | None) -> list[bytes]:
    """The text of each wanted column."""
    cells = record.calls.split(b"\t")
    return cells if chosen is None else [cells[column] for column in chosen.tolist()]


def _read_call(text: bytes, line: int, known: dict[bytes, Call]) -> Call:
    if (call := known.get(text)) is None:
        call = _parse_call(text, line)
        if len(known) < REMEMBERED:
            known[text] = call
    return call


def _parse_call(text: bytes, line: int) -> Call:
    """A call as VCF writes it; whether a lone `.` stands for one allele or two, only other records can tell.

    The separator between two alleles says whether they are phased with each other; one before the first (VCF 4.4) adds
    nothing to that.
    """
    unled = text[1:] if text[:1] in (b"|", b"/") else text
    phased = b"|" in unled
    alleles = unled.replace(b"|", b"/").split(b"/", 2)
    if len(alleles) > 2:
        raise at_line("vcf_ploidy", line, "a genotype has one or two alleles here; polyploid samples are not read.")
    if len(alleles) == 1:
        return Call(_allele(alleles[0], line), ABSENT, phased=True)
    return Call(_allele(alleles[0], line), _allele(alleles[1], line), phased)


def _allele(text: bytes, line: int) -> int:
    if text == b".":
        return MISSING
    if text.isdigit() and len(text) <= MAX_INDEX_DIGITS:
        return int(text)
    raise at_line("vcf_genotype", line, "a genotype is one or two allele numbers or dots, with | or / between them.")


def _check_indices(records: Sequence[Record], alleles: npt.NDArray[np.int16]) -> None:
    highest = alleles.reshape(len(records), -1).max(axis=1).tolist()
    for record, index in zip(records, highest, strict=True):
        if index > len(record.alternates):
            raise at_line("vcf_genotype", record.line, "a genotype has an allele number beyond those of ALT.")


def _phase_sets(records: Sequence[Record], chosen: Ints | None, field: int) -> Ints:
    return np.array(
        [[_phase_set(cell, field, record.line) for cell in _cells(record, chosen)] for record in records],
        dtype=np.int64,
    )


def _phase_set(cell: bytes, field: int, line: int) -> int:
    fields = cell.split(b":", field + 1)
    text = fields[field] if len(fields) > field else b"."
    if text == b".":
        return 0
    if text.isdigit() and len(text) <= MAX_POSITION_DIGITS and int(text) <= MAX_POSITION:
        return int(text)
    raise at_line("vcf_genotype", line, "PS is a whole number or a dot.")
