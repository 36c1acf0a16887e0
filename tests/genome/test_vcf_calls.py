"""Genotypes of every shape, alone and among plain ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.genome.genotypes import ABSENT, MISSING
from app.genome.vcf.query import GenotypeQuery
from tests.genome.vcfs import FIRST_KILOBASE, read, refusal, vcf

THREE_ALLELES = "chr1 5 . A C,G . . . "
CALLS = {
    "0|1": (0, 1, True),
    "0/1": (0, 1, False),
    "2|1": (2, 1, True),
    "./.": (MISSING, MISSING, False),
    ".|.": (MISSING, MISSING, True),
    ".|1": (MISSING, 1, True),
    "1/.": (1, MISSING, False),
    ".": (MISSING, ABSENT, True),
    "0": (0, ABSENT, True),
    "2": (2, ABSENT, True),
    "/1|0": (1, 0, True),
    "|1": (1, ABSENT, True),
    "|0/1": (0, 1, False),
    "00|01": (0, 1, True),
}


@pytest.mark.parametrize("genotype", CALLS)
@pytest.mark.parametrize("format_and_rest", [("GT", ""), ("GT:DP", ":12"), ("GT:DP", ":.")])
@pytest.mark.parametrize("neighbour", ["0|0", "1", "./1"])
def test_reads_each_form_whatever_stands_beside_it(genotype, format_and_rest, neighbour):
    format_text, rest = format_and_rest
    genotypes = read(vcf(f"{THREE_ALLELES}{format_text} {neighbour}{rest} {genotype}{rest}"))
    first, second, phased = CALLS[genotype]
    assert genotypes.alleles[0, 1].tolist() == [first, second]
    assert genotypes.phased[0, 1] == phased


def test_reads_long_allele_numbers():
    alternates = ",".join("A" * bases for bases in range(2, 14))
    genotypes = read(vcf(f"chr1 5 . A {alternates} . . . GT 12|3 10/11"))
    assert genotypes.alleles.tolist() == [[[12, 3], [10, 11]]]


@pytest.mark.parametrize("genotype", ["0|1|1", "0/1/1/0", "0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0", "/0/1/1", "././."])
def test_refuses_more_than_two_alleles(genotype):
    code, detail = refusal(vcf(f"{THREE_ALLELES}GT 0|0 {genotype}"))
    assert code == "vcf_ploidy"
    assert detail == "Line 4: a genotype has one or two alleles here; polyploid samples are not read."


@pytest.mark.parametrize("genotype", ["0/9", "3", "3|.", "9999/0"])
def test_refuses_alleles_that_alt_does_not_have(genotype):
    expected = "Line 4: a genotype has an allele number beyond those of ALT."
    assert refusal(vcf(f"{THREE_ALLELES}GT 0|0 {genotype}")) == ("vcf_genotype", expected)


@pytest.mark.parametrize(
    "genotype",
    ["x", "0|", "|", "/", "0-1", "0\\1", "-1|0", "0|1x", "+1", "99999", "0|1 ".strip() + "\x02", ":5", "0||1"],
)
def test_refuses_what_is_no_genotype(genotype):
    code, detail = refusal(vcf(f"{THREE_ALLELES}GT 0|0 {genotype}"))
    assert code in ("vcf_genotype", "vcf_ploidy")
    assert detail.startswith("Line 4: ")


def test_refuses_an_empty_genotype():
    assert refusal(vcf(f"{THREE_ALLELES}GT 0|0 x").replace(b"x", b""))[0] == "vcf_genotype"


@pytest.mark.parametrize("format_text", ["DP", "DP:GT", ".", "gt"])
def test_gt_comes_first_in_format(format_text):
    code, detail = refusal(vcf(f"{THREE_ALLELES}{format_text} 0|0 0|1"))
    assert (code, detail[:7]) == ("vcf_format", "Line 4:")


def test_reads_phase_sets_where_there_are_some():
    genotypes = read(
        vcf(
            "chr1 5 . A C . . . GT:PS 0|1:5 0|1:.",
            "chr1 6 . A C . . . GT:DP:PS 0|1:9:5 0/1",
            "chr1 7 . A C . . . GT 0|1 1",
        )
    )
    assert genotypes.phase_sets.tolist() == [[5, 0], [5, 0], [0, 0]]


@pytest.mark.parametrize("phase_set", ["x", "-5", "2147483648", "5,6"])
def test_refuses_phase_sets_that_are_no_numbers(phase_set):
    assert refusal(vcf(f"{THREE_ALLELES}GT:PS 0|1:5 0|1:{phase_set}"))[0] == "vcf_genotype"


def test_without_phase_sets_they_take_no_memory():
    genotypes = read(vcf(*(f"chr1 {position} . A C . . . GT 0|1 1|1" for position in range(1, 100))))
    assert genotypes.phase_sets.shape == (99, 2)
    assert not genotypes.phase_sets.any()
    assert genotypes.phase_sets.strides == (0, 0)


def test_reads_only_the_samples_asked_for():
    text = vcf("chr1 5 . A C . . . GT 0|1 1 x", "chr1 6 . A C . . . GT 1|1 ./. 0|0", samples="a b c")
    genotypes = read(text, GenotypeQuery("chr1", 0, 1000, samples=("b", "a")))
    assert genotypes.samples == ("a", "b")  # in the order of the file
    assert genotypes.alleles.tolist() == [[[0, 1], [1, ABSENT]], [[1, 1], [MISSING, MISSING]]]
    assert refusal(text)[0] == "vcf_genotype"


def test_columns_cannot_move_under_one_another():
    """Three columns that together are as long as three plain ones."""
    text = vcf("chr1 5 . A C . . . GT 0 0|1:1 0|1", samples="a b c")
    assert read(text).alleles.tolist() == [[[0, ABSENT], [0, 1], [0, 1]]]


@given(
    st.integers(1, 4).flatmap(
        lambda samples: st.lists(
            st.lists(st.sampled_from(sorted(CALLS)), min_size=samples, max_size=samples), min_size=1, max_size=5
        )
    )
)
def test_a_call_does_not_depend_on_those_around_it(rows):
    records = [f"chr1 {row + 1} . A C,G . . . GT {' '.join(calls)}" for row, calls in enumerate(rows)]
    genotypes = read(vcf(*records, samples=" ".join(f"s{index}" for index in range(len(rows[0])))))
    expected = np.array([[CALLS[call][:2] for call in calls] for calls in rows])
    assert genotypes.alleles.tolist() == expected.tolist()
    assert genotypes.phased.tolist() == [[CALLS[call][2] for call in calls] for calls in rows]


def test_many_records_are_read_in_several_batches():
    samples = " ".join(f"s{index}" for index in range(300))
    plain = " ".join(["0|1"] * 300)
    records = [f"chr1 {position} . A C . . . GT {plain}" for position in range(1, 1001)]
    genotypes = read(vcf(*records, samples=samples), FIRST_KILOBASE)
    assert genotypes.alleles.shape == (1000, 300, 2)
    assert (genotypes.alleles == [0, 1]).all()
