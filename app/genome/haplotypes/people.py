"""From a region's genotypes to the list of changes that makes each person's haplotypes: the rules, applied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.genome.genotypes import Genotypes
from app.genome.haplotypes.borders import only_inside
from app.genome.haplotypes.calls import Calls, check_calls, count_calls, joined
from app.genome.haplotypes.carried import HAPLOID, DistinctLists, carried_codes, ploidy
from app.genome.haplotypes.edits import Edits, Flags, compile_edits
from app.genome.haplotypes.mismatches import check_reference
from app.genome.haplotypes.overlaps import EditList, resolve_each
from app.genome.haplotypes.phase import apply_phase, unresolved
from app.genome.haplotypes.policies import Policies
from app.genome.haplotypes.samples import in_blocks
from app.genome.intervals import Interval
from app.genome.stretch import Stretch


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """The changes that make each person's haplotypes, equal lists once.

    Attributes:
        edits: all changes of the region.
        lists: distinct lists, the empty one first.
        list_of: (samples, 2) which list makes that haplotype; `HAPLOID` where there is none.
        records, filtered: how many records lie in the region, and how many of them did not pass their filters.
        ambiguous_records: how many applied ones put in letters beside A, C, G and T.
        stretch: the reference in the letters that haplotypes are written in.
    """

    samples: tuple[str, ...]
    edits: Edits
    lists: tuple[EditList, ...]
    list_of: npt.NDArray[np.int32]
    calls: Calls
    records: int
    filtered: int
    ambiguous_records: int
    stretch: Stretch


def people_of(
    genotypes: Genotypes, stretch: Stretch, region: Interval, policies: Policies, *, beyond: bool = True
) -> People:
    """Decide which changes make each person's haplotypes.

    Args:
        genotypes: sorted by position, and of the region's contig, whatever its name there.
        stretch: the reference of the region and as far around it as it is needed.
        beyond: records outside the region count too: they are read where a deletion makes room for them.

    Raises:
        Unprocessable: a record contradicts the reference, or a call is not what a policy asks for.
    """
    inside = records_inside(genotypes, region)
    passed = genotypes.passed if policies.filter == "pass" else np.ones_like(genotypes.passed)
    edits = compile_edits(genotypes, stretch, policies, passed if beyond else passed & inside)
    if not beyond:
        edits = only_inside(edits, genotypes, region, policies.overlap)
    cohort = _read_calls(genotypes, edits, passed & inside, policies)
    occurring = np.unique(np.concatenate(cohort.carried.lists))
    edits = check_reference(cohort.edits, occurring.tolist(), genotypes, stretch, policies)
    lists = tuple(resolve_each(edits, cohort.carried.lists))
    return People(
        samples=genotypes.samples,
        edits=edits,
        lists=lists,
        list_of=cohort.list_of,
        calls=cohort.calls,
        records=int(inside.sum()),
        filtered=int((inside & ~passed).sum()),
        ambiguous_records=_ambiguous_records(edits, lists),
        stretch=stretch.in_model_letters() if policies.letters == "model" else stretch,
    )


def records_inside(genotypes: Genotypes, region: Interval) -> Flags:
    """(records,) those of whose reference bases at least one lies in the region."""
    return (genotypes.positions - 1 < region.end) & (genotypes.ends > region.start)


@dataclass(frozen=True, slots=True, eq=False)
class _Cohort:
    """Everybody's calls, read: `edits` has grown by what stands for calls that are open."""

    edits: Edits
    carried: DistinctLists
    list_of: npt.NDArray[np.int32]
    calls: Calls


def _read_calls(genotypes: Genotypes, edits: Edits, counted: Flags, policies: Policies) -> _Cohort:
    carried, list_of, calls = DistinctLists(), [], []
    for block in in_blocks(genotypes):
        codes = carried_codes(block, edits)
        open_calls = unresolved(block, codes)
        check_calls(block, open_calls, counted, policies)
        calls.append(count_calls(block, edits, codes, open_calls, counted))
        edits, codes = apply_phase(edits, block, codes, open_calls, policies)
        rows = carried.add(codes)
        rows[ploidy(block).haploid, 1] = HAPLOID
        list_of.append(rows)
    return _Cohort(edits, carried, np.concatenate(list_of), joined(calls))


def _ambiguous_records(edits: Edits, lists: Sequence[EditList]) -> int:
    applied = np.unique(np.concatenate([each.applied for each in lists]))
    return len({edits.rows[row].record for row in applied[edits.ambiguous[applied]].tolist()})
