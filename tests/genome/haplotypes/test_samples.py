"""Samples are worked on a few at a time, and the result does not depend on how many."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from app.genome.haplotypes.carried import DistinctLists
from app.genome.haplotypes.samples import every_alternate, in_blocks
from tests.genome.vcf_text import toy


def test_blocks_hold_as_many_calls_as_they_may_but_at_least_one_sample() -> None:
    genotypes = toy("3 C T 0|1 1|0 1|1", "6 G A 0|0 0|1 0|0", samples=3)
    assert [block.samples for block in in_blocks(genotypes, 4)] == [("s1", "s2"), ("s3",)]
    assert [block.samples for block in in_blocks(genotypes, 1)] == [("s1",), ("s2",), ("s3",)]
    assert [block.alleles[0, 0].tolist() for block in in_blocks(genotypes, 1)] == [[0, 1], [1, 0], [1, 1]]


def test_a_vcf_without_records_or_samples_is_one_block() -> None:
    assert [block.samples for block in in_blocks(toy(samples=2))] == [("s1", "s2")]
    assert [block.samples for block in in_blocks(toy(samples=0))] == [()]


def test_every_alternate_allele_is_carried_by_one_haploid_sample() -> None:
    genotypes = every_alternate(toy("3 C T,G 0|1", "6 G . 0|0"))
    assert genotypes.alleles[:, 0].tolist() == [[1, -2], [0, -2]]


CODES = arrays.arrays(np.int32, st.tuples(st.integers(0, 4), st.integers(1, 5), st.just(2)), elements=st.integers(0, 2))


@given(codes=CODES, cut=st.integers(0, 5))
def test_lists_found_in_two_blocks_are_those_found_in_one(codes: np.ndarray, cut: int) -> None:
    whole, halves = DistinctLists(), DistinctLists()
    rows = whole.add(codes)
    two = np.concatenate([halves.add(codes[:, :cut]), halves.add(codes[:, cut:])])
    assert rows.tolist() == two.tolist()
    assert [each.tolist() for each in whole.lists] == [each.tolist() for each in halves.lists]
    assert whole.lists[0].tolist() == []
    for sample, haplotypes in enumerate(rows.tolist()):
        for index, row in enumerate(haplotypes):
            assert whole.lists[row].tolist() == [code for code in codes[:, sample, index].tolist() if code]
