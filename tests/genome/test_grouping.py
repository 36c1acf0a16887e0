"""People by genotype: which variant goes with a value, and who has what there."""

from __future__ import annotations

import pytest

from app.genome.grouping import Place, find_variant, group_people, lead_variant
from app.genome.variants import Variant
from tests.genome.vcfs import read, vcf

CALLS = read(
    vcf(
        "chr1 5 . A C . . . GT 0|1 0|0 1|1 0|0",
        "chr1 9 . g T,TTTTTTTTT . . . GT 0/1 2/1 0 ./1",
        samples="ann bob cyd dee",
    )
)


@pytest.mark.parametrize(
    ("variant", "place"),
    [
        (Variant("chr1", 5, "A", "C"), Place(0, 1)),
        (Variant("1", 9, "G", "TTTTTTTTT"), Place(1, 2)),
        (Variant("chr1", 5, "A", "G"), None),
        (Variant("chr1", 6, "A", "C"), None),
        (Variant("chr2", 5, "A", "C"), None),
    ],
)
def test_a_variant_is_found_as_it_is_written(variant: Variant, place: Place | None) -> None:
    assert find_variant(CALLS, variant) == place


def test_people_are_grouped_by_their_two_alleles_fewest_alternate_ones_first() -> None:
    groups = group_people(CALLS, Place(0, 1))
    assert groups.variant == Variant("chr1", 5, "A", "C")
    assert list(groups.samples_of.items()) == [("A/A", ("bob", "dee")), ("A/C", ("ann",)), ("C/C", ("cyd",))]
    assert groups.uncalled == 0


def test_other_alleles_haploid_and_open_calls_have_their_place() -> None:
    groups = group_people(CALLS, Place(1, 2))
    assert list(groups.samples_of.items()) == [("g", ("cyd",)), ("g/T", ("ann",)), ("T/TTTTT…", ("bob",))]
    assert groups.uncalled == 1


def test_the_lead_variant_goes_most_with_the_values_of_those_who_have_one() -> None:
    values = {"ann": 2.0, "bob": 1.0, "cyd": 3.0}
    assert lead_variant(CALLS, values) == (Place(0, 1), pytest.approx(1.0))


@pytest.mark.parametrize("values", [{}, {"ann": 1.0, "bob": 2.0}, {"ann": 1.0, "bob": 1.0, "cyd": 1.0}])
def test_where_nothing_goes_with_the_values_there_is_no_lead(values: dict[str, float]) -> None:
    assert lead_variant(CALLS, values) is None
