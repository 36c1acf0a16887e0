"""Which of a person's two haplotypes an allele stands on, where the call does not say."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

from app.genome.genotypes import ABSENT, Genotypes
from app.genome.haplotypes.edits import Codes, Edit, Edits, Flags, edits_of
from app.genome.haplotypes.policies import Policies
from app.genome.letters import code_of_two, model_letters

Words = npt.NDArray[np.uint64]


def unresolved(genotypes: Genotypes, codes: Codes) -> Flags:
    """(records, samples) the calls without phase whose two alleles do different things."""
    diploid = genotypes.alleles[:, :, 1] != ABSENT
    unequal = codes[:, :, 0] != codes[:, :, 1]
    return np.asarray(unequal & diploid & ~genotypes.phased)


def dealt_at_random(genotypes: Genotypes, codes: Codes, open_calls: Flags, seed: int) -> Codes:
    """Swap each open call or not, by a draw that depends on seed, sample name and position only.

    So a person's haplotypes are the same alone, in any cohort and in any window.
    """
    names = np.array([_hash(sample) for sample in genotypes.samples], dtype=np.uint64)
    places = _mixed(genotypes.positions.astype(np.uint64) ^ np.uint64(_hash(str(seed))))
    swapped = open_calls & (_mixed(names[None, :] ^ places[:, None]) >> np.uint64(63)).astype(np.bool_)
    return np.where(swapped[:, :, None], codes[:, :, ::-1], codes)


def as_iupac(
    edits: Edits, genotypes: Genotypes, codes: Codes, open_calls: Flags, policies: Policies
) -> tuple[Edits, Codes]:
    """Put both alleles of each open call on both haplotypes: a code where both are one base, else N over the span."""
    records, samples = np.nonzero(open_calls)
    calls = np.stack([records, *np.sort(codes[records, samples], axis=1).T], axis=1)
    kinds, kind_of = np.unique(calls, axis=0, return_inverse=True)
    row_of_edit = {edit: row for row, edit in enumerate(edits.rows)}
    rows = [
        row_of_edit.setdefault(_both(edits, genotypes, policies, kind), len(row_of_edit)) for kind in kinds.tolist()
    ]
    changed = codes.copy()
    changed[records, samples] = np.array(rows, dtype=np.int32)[kind_of].reshape(-1, 1)
    return edits_of(tuple(row_of_edit), edits.row_of, edits.spanning), changed


def phase_sets(genotypes: Genotypes, codes: Codes, counted: Flags) -> npt.NDArray[np.int64]:
    """(samples,) how many sets of calls are phased within themselves, but not to each other.

    Calls of one PS form a set, and so do all phased calls without one. Calls whose alleles do the same need no phase.

    Args:
        counted: (records,) the others are left out.
    """
    phased = (codes[:, :, 0] != codes[:, :, 1]) & genotypes.phased & (genotypes.alleles[:, :, 1] != ABSENT)
    phased &= counted[:, None]
    without = (phased & (genotypes.phase_sets == 0)).any(axis=0)
    records, samples = np.nonzero(phased & (genotypes.phase_sets != 0))
    pairs = np.stack([samples, genotypes.phase_sets[records, samples]], axis=1)
    named = np.bincount(np.unique(pairs, axis=0)[:, 0], minlength=len(genotypes.samples))
    return np.asarray(without + named)


def apply_phase(
    edits: Edits, genotypes: Genotypes, codes: Codes, open_calls: Flags, policies: Policies
) -> tuple[Edits, Codes]:
    """Decide the open calls by the policy; `as_listed` leaves them in their order."""
    if policies.unphased == "random":
        return edits, dealt_at_random(genotypes, codes, open_calls, policies.seed)
    if policies.unphased == "iupac":
        return as_iupac(edits, genotypes, codes, open_calls, policies)
    return edits, codes


def _both(edits: Edits, genotypes: Genotypes, policies: Policies, kind: list[int]) -> Edit:
    record, *alleles = kind
    position = int(genotypes.positions[record]) - 1
    reference = genotypes.references[record]
    changes = [edits.rows[row] for row in alleles if row]
    end = max(position + len(reference), *(edit.touched + 1 for edit in changes))
    letters = [edits.rows[row].bases if row else reference for row in alleles]
    if end == position + 1 and all(edit.reason is None and len(edit.bases) == end - edit.start for edit in changes):
        bases = code_of_two(*letters)
    else:
        bases = b"N" * (end - position)
    bases = model_letters(bases) if policies.letters == "model" else bases
    return Edit(record, position, position, end, end - 1, bases)


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def _mixed(words: Words) -> Words:
    """Each word with its bits stirred, so that neighbouring positions draw independently."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
