"""Genotypes and refusals as bytes, between the process that reads uploads and the one that answers.

A message is a kind of one letter, the length of what follows, and that. Genotypes are four sizes, the arrays as they
lie in memory, the widest first so that each is aligned, and names and alleles as lines of text. Nothing of it can run
code, and the receiver checks all of it.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from app.errors import (
    DecompressedTooLarge,
    ItemError,
    ServiceError,
    Unprocessable,
    UnsupportedMediaType,
    VcfRefused,
)
from app.genome.contigs import aliases
from app.genome.genotypes import ABSENT, Genotypes
from app.genome.vcf.query import GenotypeQuery
from app.genome.vcf.reading import no_phase_sets

HEAD = struct.Struct("<cQ")
SIZES = struct.Struct("<QQQQ")
GENOTYPES, REFUSAL, FAILURE = b"g", b"r", b"f"


class MessageBroken(ValueError):
    """The bytes are not a message of this module, or contradict themselves."""


def failure_message() -> bytes:
    """That the reader failed by a fault of its own."""
    return HEAD.pack(FAILURE, 0)


def refusal_message(error: ServiceError) -> bytes:
    """An error of the upload, as a message."""
    items = [[item.pointer, item.code, item.detail] for item in error.items]
    payload = json.dumps([type(error).__name__, error.detail, items]).encode()
    return HEAD.pack(REFUSAL, len(payload)) + payload


def read_refusal(payload: bytes) -> ServiceError:
    """The error of a message of kind `REFUSAL`.

    Raises:
        MessageBroken: it is none.
    """
    try:
        kind, detail, items = json.loads(payload)
        return _refusal(kind, detail, [ItemError(pointer, code, said) for pointer, code, said in items])
    except (ValueError, TypeError, IndexError):
        raise MessageBroken from None


def _refusal(kind: str, detail: str, items: Sequence[ItemError]) -> ServiceError:
    match kind:
        case "VcfRefused":
            return VcfRefused(items[0].code, detail, items[0].pointer)
        case "Unprocessable":
            return Unprocessable(detail, items=items)
        case "UnsupportedMediaType":
            return UnsupportedMediaType(detail)
        case "DecompressedTooLarge":
            return DecompressedTooLarge(detail)
    raise MessageBroken


def genotypes_message(genotypes: Genotypes) -> list[memoryview | bytes]:
    """Genotypes as a message, in parts that are not copied."""
    alleles = (b"\t".join((ref, *alts)) for ref, alts in zip(genotypes.references, genotypes.alternates, strict=True))
    names = (name.encode() for name in (genotypes.contig, *genotypes.samples))
    text = b"\n".join((*names, *alleles))
    has_phase_sets = bool(genotypes.phase_sets.any())
    arrays = _arrays(genotypes, has_phase_sets=has_phase_sets)
    sizes = SIZES.pack(len(genotypes.positions), len(genotypes.samples), has_phase_sets, len(text))
    parts: list[memoryview | bytes] = [sizes, *(array.reshape(-1).view(np.uint8).data for array in arrays), text]
    return [HEAD.pack(GENOTYPES, sum(map(len, parts))), *parts]


def _arrays(genotypes: Genotypes, *, has_phase_sets: bool) -> list[npt.NDArray[Any]]:
    wide = [genotypes.positions, genotypes.ends, genotypes.lines]
    phase_sets = [genotypes.phase_sets] if has_phase_sets else []
    return [*wide, *phase_sets, genotypes.alleles, genotypes.passed, genotypes.phased]


def read_genotypes(payload: bytes, query: GenotypeQuery) -> Genotypes:
    """The genotypes of a message of kind `GENOTYPES`; the arrays are views of it, read only.

    Raises:
        MessageBroken: they contradict themselves or do not answer the query.
    """
    try:
        genotypes = _unpacked(payload)
    except (ValueError, struct.error):
        raise MessageBroken from None
    if not (_is_consistent(genotypes) and _answers(genotypes, query)):
        raise MessageBroken
    return genotypes


def _unpacked(payload: bytes) -> Genotypes:
    records, samples, has_phase_sets, text_bytes = SIZES.unpack_from(payload)
    if max(records, samples) > len(payload):  # each takes some bytes of it
        raise MessageBroken
    offset = SIZES.size

    def array(dtype: type[np.generic], *shape: int) -> npt.NDArray[Any]:
        nonlocal offset
        count = math.prod(shape)
        values = np.frombuffer(payload, dtype, count, offset).reshape(shape) if count else np.empty(shape, dtype)
        offset += values.nbytes
        return values

    positions, ends, lines = (array(np.int64, records) for _ in range(3))
    phase_sets = array(np.int64, records, samples) if has_phase_sets else no_phase_sets(records, samples)
    alleles = array(np.int16, records, samples, 2)
    passed, phased = (array(np.uint8, *shape) for shape in ((records,), (records, samples)))
    if len(payload) != offset + text_bytes or max(passed.max(initial=0), phased.max(initial=0)) > 1:
        raise MessageBroken
    names, sites = _read_text(payload[offset:], records, samples)
    return Genotypes(
        contig=names[0],
        samples=names[1:],
        positions=positions,
        ends=ends,
        lines=lines,
        references=tuple(site[0] for site in sites),
        alternates=tuple(tuple(site[1:]) for site in sites),
        passed=passed.view(np.bool_),
        alleles=alleles,
        phased=phased.view(np.bool_),
        phase_sets=phase_sets,
    )


def _read_text(text: bytes, records: int, samples: int) -> tuple[tuple[str, ...], list[list[bytes]]]:
    lines = text.split(b"\n")
    if len(lines) != 1 + samples + records:
        raise MessageBroken
    names = tuple(line.decode() for line in lines[: 1 + samples])
    return names, [line.split(b"\t") for line in lines[1 + samples :]]


def _is_consistent(genotypes: Genotypes) -> bool:
    most = np.array([len(alternates) for alternates in genotypes.alternates], dtype=np.int64)
    highest = genotypes.alleles.reshape(len(most), -1).max(axis=1, initial=0) if len(most) else most
    return bool(
        (genotypes.alleles >= ABSENT).all()
        and (highest <= most).all()
        and (genotypes.positions > 0).all()
        and (genotypes.positions <= genotypes.ends).all()
        and (np.diff(genotypes.positions) >= 0).all()
    )


def _answers(genotypes: Genotypes, query: GenotypeQuery) -> bool:
    overlap = (genotypes.positions <= query.end) & (genotypes.ends > query.start)
    wanted = set(genotypes.samples if query.samples is None else query.samples)
    return bool(overlap.all()) and genotypes.contig in aliases(query.contig) and set(genotypes.samples) == wanted
