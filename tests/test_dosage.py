"""Genotypes become dosages in the model's order, or are refused where they say nothing about a target."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.bundle import Bundle, read_bundle
from app.dosage import ModelVariants, NoVariantFound, cohort_dosages, read_variants, write_variants
from app.errors import BundleError
from app.genome.genotypes import Genotypes
from tests.toy import APPLES, write_dosage_bundle

PLACE = {".": -1, "": -2} | {str(number): number for number in range(4)}


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return read_bundle(write_dosage_bundle(tmp_path))


@pytest.fixture
def variants(bundle: Bundle) -> ModelVariants:
    return read_variants(bundle.manifest, bundle.files)


def genotypes(*records: str, contig: str = "chr22", failed: Sequence[int] = ()) -> Genotypes:
    """Records such as `100 A G 0/1 1/1`, one genotype a sample."""
    cells = [record.split() for record in records]
    count, samples = len(cells), len(cells[0]) - 3
    alleles = [[(*map(PLACE.get, call.split("/")), -2)[:2] for call in row[3:]] for row in cells]
    positions = np.array([int(row[0]) for row in cells], dtype=np.int64)
    return Genotypes(
        contig=contig,
        samples=tuple(f"person {number}" for number in range(samples)),
        positions=positions,
        ends=positions,
        lines=np.zeros(count, dtype=np.int64),
        references=tuple(row[1].encode() for row in cells),
        alternates=tuple(tuple(row[2].encode().split(b",")) for row in cells),
        passed=np.array([index not in failed for index in range(count)]),
        alleles=np.array(alleles, dtype=np.int16),
        phased=np.zeros((count, samples), dtype=np.bool_),
        phase_sets=np.zeros((count, samples), dtype=np.int64),
    )


def row_of(variants: ModelVariants, *records: str, **options: object) -> list[float]:
    """The dosages of the first sample."""
    found = genotypes(*records, **options)  # type: ignore[arg-type]
    rows: list[list[float]] = cohort_dosages(variants, [found], []).rows.tolist()
    return rows[0]


def test_alternate_alleles_are_counted_in_the_models_order(variants: ModelVariants) -> None:
    region = genotypes("100 A G 0/0 0/1 1/1", "200 C CT 0/1 1/1 0/0", "300 G T 1/1 0/0 0/1")
    dosages = cohort_dosages(variants, [region], ["PEAR", "PLUM"])
    assert dosages.samples == ("person 0", "person 1", "person 2")
    assert dosages.rows.tolist() == [[0, 1, 2], [1, 2, 0], [2, 0, 1]]
    assert dosages.found.tolist() == [True, True, True]


@pytest.mark.parametrize(
    ("records", "row"),
    [
        # a variant that is not there, and a call that misses an allele, are the mean: 0.5, 1, 1.25
        (["100 A G 1/1"], [2, 1, 1.25]),
        (["100 A G ./.", "200 C CT 0/0"], [0.5, 0, 1.25]),
        (["100 A G ./1", "200 C CT 1/1"], [0.5, 2, 1.25]),
        # swapped: the record's reference is the model's alternate
        (["100 G A 0/0"], [2, 1, 1.25]),
        (["100 G A 0/1"], [1, 1, 1.25]),
        (["200 CT C 1/1"], [0.5, 0, 1.25]),
        # a haploid call stands for both
        (["100 A G 1"], [2, 1, 1.25]),
        (["100 A G 0"], [0, 1, 1.25]),
        # of several alternates the model's counts, and the others as little as the reference
        (["100 A T,G 2/1"], [1, 1, 1.25]),
        (["100 A T,G 2/2"], [2, 1, 1.25]),
        (["100 G T,A 0/1"], [1, 1, 1.25]),
        # lower case is the same base; of equal records the first counts
        (["100 a g 1/1"], [2, 1, 1.25]),
        (["100 A G 1/1", "100 A G 0/0"], [2, 1, 1.25]),
        # other alleles or another place are another variant
        (["100 A C 1/1", "101 A G 1/1", "200 C CTT 1/1"], [0.5, 1, 1.25]),
    ],
)
def test_a_call_becomes_a_dosage(variants: ModelVariants, records: list[str], row: list[float]) -> None:
    assert row_of(variants, *records) == row


@pytest.mark.parametrize(("contig", "dosage"), [("chr22", 2), ("22", 2), ("chr2", 0.5)])
def test_a_contig_is_known_by_each_of_its_names(variants: ModelVariants, contig: str, dosage: float) -> None:
    assert row_of(variants, "100 A G 1/1", contig=contig)[0] == dosage


def test_a_record_that_failed_a_filter_is_passed_over(variants: ModelVariants) -> None:
    assert row_of(variants, "100 A G 1/1", "100 A G 0/1", failed=[0])[0] == 1


def test_regions_add_up(variants: ModelVariants) -> None:
    regions = [genotypes("100 A G 1/1"), genotypes("300 G T 0/1")]
    dosages = cohort_dosages(variants, regions, ["PEAR", "PLUM"])
    assert dosages.rows.tolist() == [[2, 1, 1]]
    assert dosages.found.tolist() == [True, False, True]


def test_a_target_without_any_variant_is_refused_and_never_answered(variants: ModelVariants) -> None:
    region = genotypes("100 A G 1/1")
    assert cohort_dosages(variants, [region], ["PEAR"]).found.sum() == 1
    with pytest.raises(NoVariantFound, match="None of the 1 variants that PLUM depends on") as refused:
        cohort_dosages(variants, [region], ["PEAR", "PLUM"])
    item = refused.value.at("/cohort")
    assert (item.pointer, item.code) == ("/cohort", "vcf_no_model_variant")


@given(st.lists(st.sampled_from(["0/0", "0/1", "1/0", "1/1", "./.", "0", "1"]), min_size=1, max_size=9))
def test_swapping_alleles_and_genotypes_changes_nothing(calls: list[str]) -> None:
    variants = ModelVariants(("chr1",), np.array([7]), (b"A",), (b"C",), np.float32([0.25]), {"GENE": np.array([True])})
    turned = [call.translate(str.maketrans("01", "10")) for call in calls]
    as_is = genotypes(f"7 A C {' '.join(calls)}", contig="1")
    swapped = genotypes(f"7 C A {' '.join(turned)}", contig="1")
    rows = [cohort_dosages(variants, [region], ["GENE"]).rows for region in (as_is, swapped)]
    np.testing.assert_array_equal(*rows)


def test_a_target_knows_where_its_variants_lie(variants: ModelVariants) -> None:
    assert variants.region("PEAR") == ("chr22", 100, 200)
    assert variants.region("PLUM") == ("chr22", 300, 300)


def test_written_variants_are_read_again_as_they_were(bundle: Bundle, variants: ModelVariants) -> None:
    assert write_variants(variants) == APPLES
    assert len(variants) == 3
    assert {name: mask.tolist() for name, mask in variants.weighed.items()} == {
        "PEAR": [True, True, False],
        "PLUM": [False, False, True],
    }


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("contig\t", "chromosome\t", "the first line does not name the columns"),
        ("\t0.5\t", "\t", "line 2 has 5 columns, not 6"),
        ("\t100\t", "\t0\t", "line 2: the position is no whole number from 1"),
        ("\t100\t", "\t1e2\t", "line 2: the position"),
        ("\tA\tG\t", "\tA\t<DEL>\t", "line 2: reference and alternate"),
        ("\tA\tG\t", "\tA\tA\t", "line 2: reference and alternate"),
        ("\t0.5\t", "\tnan\t", "line 2: the mean dosage lies outside 0 to 2"),
        ("\t0.5\t", "\tmany\t", "could not convert"),
        ("PLUM", "CHERRY", "line 4: 'CHERRY' is no target"),
        ("PLUM", "PEAR", "PLUM depends on no variant"),
        ("chr22\t200", "chr21\t200", "PEAR depends on no variant, or on those of several contigs"),
    ],
)
def test_a_list_of_variants_that_cannot_be_meant_is_refused(bundle: Bundle, old: str, new: str, message: str) -> None:
    files = {"variants.tsv": APPLES.decode().replace(old, new).encode()}
    with pytest.raises(BundleError, match=rf"apples/variants\.tsv: .*{message}"):
        read_variants(bundle.manifest, files)
