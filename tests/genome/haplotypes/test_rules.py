"""What each kind of record and of call makes of the reference, one rule a test.

The reference is AACCGGTTACGTTGCA; the numbers in records are VCF positions, 1-based.
"""

from __future__ import annotations

import pytest

from app.errors import Unprocessable
from app.genome.haplotypes.distinct import build_natural
from app.genome.haplotypes.overlaps import Skipped
from app.genome.haplotypes.people import people_of
from app.genome.haplotypes.policies import Policies
from app.genome.intervals import Interval
from app.genome.stretch import whole
from tests.genome.haplotypes.built import REFERENCE, natural, only, pairs
from tests.genome.vcf_text import of_sample, toy


def test_no_record_is_the_reference_on_both_haplotypes() -> None:
    built = natural(toy())
    assert pairs(built) == [(REFERENCE, REFERENCE)]
    assert len(built.distinct) == built.carried_rows == 1


def test_the_first_allele_stands_on_the_first_haplotype() -> None:
    assert pairs(natural(toy("3 C T 0|1"))) == [(REFERENCE, "AATCGGTTACGTTGCA")]
    assert pairs(natural(toy("3 C T 1|0"))) == [("AATCGGTTACGTTGCA", REFERENCE)]


class TestAlleles:
    def test_a_deletion_keeps_its_first_base(self) -> None:
        assert only(natural(toy("4 CGG C 1|1"))) == "AACCTTACGTTGCA"

    def test_an_insertion_goes_after_its_first_base(self) -> None:
        assert only(natural(toy("4 C CTTT 1|1"))) == "AACCTTTGGTTACGTTGCA"

    def test_an_mnp_replaces_as_many_bases_as_ref_has(self) -> None:
        assert only(natural(toy("3 CCG TTT 1|1"))) == "AATTTGTTACGTTGCA"

    def test_a_complex_change_replaces_ref_whatever_its_length(self) -> None:
        assert only(natural(toy("3 CCGG TA 1|1"))) == "AATATTACGTTGCA"

    def test_each_haplotype_takes_its_own_alternate_allele(self) -> None:
        assert pairs(natural(toy("5 G A,GTT 1|2"))) == [("AACCAGTTACGTTGCA", "AACCGTTGTTACGTTGCA")]

    def test_the_first_base_of_the_contig_can_be_deleted(self) -> None:
        assert only(natural(toy("1 AA A 1|1"))) == "ACCGGTTACGTTGCA"
        assert only(natural(toy("1 AAC C 1|1"))) == "CCGGTTACGTTGCA"

    def test_a_symbolic_deletion_ends_where_end_says(self) -> None:
        assert only(natural(toy("4 C <DEL> 1|1 END=8"))) == "AACCACGTTGCA"

    def test_a_symbolic_deletion_of_unknown_length_is_skipped(self) -> None:
        built = natural(toy("4 C <DEL> 1|1"))
        assert only(built) == REFERENCE
        assert built.skipped(0, 0) == (Skipped(4, "unknown_length"),)

    @pytest.mark.parametrize("alternate", ["<*>", "<NON_REF>", "."])
    def test_a_reference_block_changes_nothing_and_is_not_reported(self, alternate: str) -> None:
        built = natural(toy(f"4 C {alternate} {'0|0' if alternate == '.' else '1|1'} END=8", "6 G T 1|1"))
        assert only(built) == "AACCGTTTACGTTGCA"
        assert built.skipped(0, 0) == ()

    @pytest.mark.parametrize("alternate", ["<INS>", "<DUP>", "<INV>", "<CN0>", "C[c:9[", "]c:9]C", "C.", ".C"])
    def test_alleles_that_are_not_written_out_are_skipped_by_name(self, alternate: str) -> None:
        built = natural(toy(f"4 C {alternate} 0|1", "6 G T 1|1"))
        assert pairs(built) == [("AACCGTTTACGTTGCA", "AACCGTTTACGTTGCA")]
        assert (built.skipped(0, 0), built.skipped(0, 1)) == ((), (Skipped(4, "unsupported_allele"),))

    def test_a_spanning_deletion_is_no_change_and_is_counted(self) -> None:
        built = natural(toy("4 CGG C 0|1", "5 G T,* 1|2"))
        assert pairs(built) == [("AACCTGTTACGTTGCA", "AACCTTACGTTGCA")]
        assert built.skipped(0, 1) == ()
        assert built.people.calls.spanning.tolist() == [1]

    def test_ambiguous_letters_become_n_and_are_told(self) -> None:
        built = natural(toy("5 G GRYA 1|1"))
        assert only(built) == "AACCGNNAGTTACGTTGCA"
        assert built.people.ambiguous_records == 1

    def test_case_is_dropped_everywhere(self) -> None:
        assert only(natural(toy("5 g gta 1|1"), bases=REFERENCE.lower())) == "AACCGTAGTTACGTTGCA"

    def test_ambiguous_letters_of_the_reference_become_n(self) -> None:
        assert only(natural(toy("2 A T 1|1"), bases="AARYAAAA")) == "ATNNAAAA"

    def test_applied_variants_are_told_as_they_are_written(self) -> None:
        built = natural(toy("3 C T 0|1", "5 GGT G 0|1"))
        rows = built.row_of[0].tolist()
        assert [str(variant) for variant in built.applied(rows[0])] == []
        assert [str(variant) for variant in built.applied(rows[1])] == ["c:3:C>T", "c:5:GGT>G"]


class TestOverlaps:
    """The first record in the file wins; an indel may stand on a touched base, unless something was put in after it."""

    @pytest.mark.parametrize(
        ("first", "second", "sequence", "skipped"),
        [
            ("4 CGG C", "5 G T", "AACCTTACGTTGCA", True),
            ("4 CGG C", "6 G T", "AACCTTACGTTGCA", True),
            ("4 CGG C", "7 T A", "AACCATACGTTGCA", False),
            ("4 CGG C", "6 G GA", "AACCATTACGTTGCA", False),
            ("4 CGG C", "6 GT G", "AACCTACGTTGCA", False),
            ("4 CGG C", "6 GTT A", "AACCTTACGTTGCA", True),
            ("5 G T", "5 G GA", "AACCTAGTTACGTTGCA", False),
            ("5 G T", "5 GGT GGAT", "AACCTGATTACGTTGCA", False),
            ("5 G T", "5 GGT GAAC", "AACCTGTTACGTTGCA", True),
            ("5 G GA", "5 G T", "AACCGAGTTACGTTGCA", True),
            ("5 G GA", "5 G GC", "AACCGAGTTACGTTGCA", True),
            ("5 G GA", "5 GG G", "AACCGAGTTACGTTGCA", True),
            ("5 G GA", "6 G T", "AACCGATTTACGTTGCA", False),
        ],
    )
    def test_two_records_on_one_haplotype(self, first: str, second: str, sequence: str, skipped: bool) -> None:
        built = natural(toy(f"{first} 1|1", f"{second} 1|1"))
        assert only(built) == sequence
        assert built.skipped(0, 0) == ((Skipped(int(second.split(maxsplit=1)[0]), "overlap"),) if skipped else ())

    def test_records_on_different_haplotypes_do_not_meet(self) -> None:
        built = natural(toy("4 CGG C 1|0", "5 G T 0|1"))
        assert pairs(built) == [("AACCTTACGTTGCA", "AACCTGTTACGTTGCA")]
        assert built.skipped(0, 0) == built.skipped(0, 1) == ()

    def test_a_skipped_record_blocks_nothing(self) -> None:
        assert only(natural(toy("4 CGG C 1|1", "5 GGTT G 1|1", "7 T C 1|1"))) == "AACCCTACGTTGCA"


class TestCalls:
    def test_unphased_calls_are_taken_as_listed_and_counted(self) -> None:
        built = natural(toy("3 C T 0/1", "6 G A 1/0", "9 A C 1/1"))
        assert pairs(built) == [("AACCGATTCCGTTGCA", "AATCGGTTCCGTTGCA")]
        assert built.people.calls.unphased.tolist() == [2]

    def test_unphased_calls_can_be_refused_with_line_and_way_out(self) -> None:
        with pytest.raises(
            Unprocessable, match=r"1 of the region's records, the first on line 2 .* Phase the VCF"
        ) as refused:
            natural(toy("3 C T 0|1", "6 G A 0/1"), unphased="error")
        assert refused.value.problem_code == "vcf_unphased"

    def test_calls_of_equal_alleles_need_no_phase(self) -> None:
        assert only(natural(toy("3 C T 1/1"), unphased="error")) == "AATCGGTTACGTTGCA"

    def test_unphased_calls_can_be_written_as_codes_on_both_haplotypes(self) -> None:
        records = toy("3 C T 0/1", "6 G A,C 1/2", "9 A C 0|1")
        assert pairs(natural(records, unphased="iupac", letters="reference")) == [
            ("AAYCGMTTACGTTGCA", "AAYCGMTTCCGTTGCA")
        ]

    def test_such_codes_are_n_for_a_model(self) -> None:
        assert only(natural(toy("3 C T 0/1"), unphased="iupac")) == "AANCGGTTACGTTGCA"

    def test_an_unphased_indel_is_n_over_its_span(self) -> None:
        assert pairs(natural(toy("4 CGG C 0/1"), unphased="iupac")) == [("AACNNNTTACGTTGCA",) * 2]

    def test_unphased_calls_can_be_dealt_at_random_again_and_again_the_same(self) -> None:
        records = toy(*(f"{position} {REFERENCE[position - 1]} N 0/1" for position in range(1, 17)))
        first, again, other = (natural(records, unphased="random", seed=seed) for seed in (7, 7, 8))
        assert pairs(first) == pairs(again) != pairs(other)
        one, two = pairs(first)[0]
        assert [(a, b).count("N") for a, b in zip(one, two, strict=True)] == [1] * 16
        assert one.count("N") not in (0, 16)

    def test_a_person_s_random_deal_does_not_depend_on_the_others_or_on_the_window(self) -> None:
        positions = range(1, 17)
        calls = [f"{position} {REFERENCE[position - 1]} N" for position in positions]
        alone = natural(toy(*(f"{call} 0/1" for call in calls)), unphased="random")
        among = natural(toy(*(f"{call} 0/1 0/1" for call in calls), samples=2), unphased="random")
        part = natural(toy(*(f"{call} 0/1" for call in calls[4:9])), 5, 9, unphased="random")
        assert pairs(among)[0] == pairs(alone)[0]
        assert pairs(among)[1] != pairs(alone)[0]
        assert only(part) == only(alone)[4:9]

    def test_phase_sets_are_counted(self) -> None:
        sets = toy("3 C T 0|1 PS=3", "6 G A 0|1 PS=3", "9 A C 0|1 PS=9", "10 C T 1|1 PS=10", "11 G T 0/1 PS=11")
        assert natural(sets).people.calls.phase_sets.tolist() == [2]

    def test_phased_calls_without_a_set_form_one(self) -> None:
        assert natural(toy("3 C T 0|1", "6 G A 0|1")).people.calls.phase_sets.tolist() == [1]

    def test_missing_calls_are_the_reference_and_are_counted(self) -> None:
        built = natural(toy("3 C T ./.", "6 G A .", "9 A C 1|1"))
        assert pairs(built) == [("AACCGGTTCCGTTGCA",) * 2]
        assert built.people.calls.missing.tolist() == [4]

    def test_missing_calls_can_be_n_over_ref(self) -> None:
        assert pairs(natural(toy("3 C T ./.", "5 GGT G .|1"), missing="n")) == [("AANCNNNTACGTTGCA", "AANCGTACGTTGCA")]

    def test_missing_calls_over_a_block_are_n_over_all_of_it(self) -> None:
        assert only(natural(toy("3 C <*> ./. END=6"), missing="n")) == "AANNNNTTACGTTGCA"

    def test_missing_calls_can_be_refused(self) -> None:
        with pytest.raises(Unprocessable, match="line 1 have a call with an allele that was not called") as refused:
            natural(toy("3 C T .|1"), missing="error")
        assert refused.value.problem_code == "vcf_missing"

    def test_each_allele_of_a_half_call_counts_for_itself(self) -> None:
        assert pairs(natural(toy("3 C T .|1", "6 G A 1|."))) == [("AACCGATTACGTTGCA", "AATCGGTTACGTTGCA")]

    def test_a_haploid_sample_has_one_haplotype(self) -> None:
        assert pairs(natural(toy("3 C T 1 0|1", "6 G A . 0|1", samples=2))) == [
            ("AATCGGTTACGTTGCA",),
            (REFERENCE, "AATCGATTACGTTGCA"),
        ]

    def test_where_calls_of_one_and_of_two_alleles_meet_the_second_haplotype_has_the_reference(self) -> None:
        built = natural(toy("3 C T 1", "6 G A 1|1"))
        assert pairs(built) == [("AATCGATTACGTTGCA", "AACCGATTACGTTGCA")]
        assert built.people.calls.mixed_ploidy.tolist() == [True]


class TestRecords:
    def test_records_that_failed_a_filter_are_left_out_and_counted(self) -> None:
        records = toy("3 C T 1|1 FILTER=q10", "6 G A 1|1 FILTER=PASS", "9 A C 1|1")
        built = natural(records)
        assert only(built) == "AACCGATTCCGTTGCA"
        assert (built.people.records, built.people.filtered) == (3, 1)

    def test_any_filter_can_be_accepted(self) -> None:
        built = natural(toy("3 C T 1|1 FILTER=q10"), filter="any")
        assert (only(built), built.people.filtered) == ("AATCGGTTACGTTGCA", 0)

    def test_another_ref_than_the_reference_is_refused_by_line_and_expected_base(self) -> None:
        with pytest.raises(Unprocessable) as refused:
            natural(toy("3 C T 1|1", "5 GCT G 0|1"))
        item = refused.value.items[0]
        assert (refused.value.status, item.pointer, item.code) == (422, "/vcf", "reference_mismatch")
        assert item.detail == "The record on line 2 has another REF than the reference, which has G at c:6."

    def test_such_a_record_is_no_matter_where_nobody_carries_it(self) -> None:
        assert only(natural(toy("3 T C 0|0"))) == REFERENCE

    def test_such_a_record_can_be_skipped(self) -> None:
        built = natural(toy("3 T G 0|1", "6 G A 1|1"), mismatch="skip")
        assert pairs(built) == [("AACCGATTACGTTGCA",) * 2]
        assert (built.skipped(0, 0), built.skipped(0, 1)) == ((), (Skipped(3, "reference_mismatch"),))

    def test_a_record_past_the_contig_s_end_is_refused(self) -> None:
        with pytest.raises(Unprocessable, match="the reference, which ends before it"):
            natural(toy("17 T G 0|1"), 1, 20)

    def test_ref_may_be_n_where_the_reference_is(self) -> None:
        assert only(natural(toy("3 N G 1|1"), bases="AANCGGTTACG")) == "AAGCGGTTACG"

    def test_ref_may_be_the_first_base_of_the_reference_s_ambiguous_one(self) -> None:
        assert only(natural(toy("3 C G 1|1"), bases="AASCGGTTACG")) == "AAGCGGTTACG"

    def test_a_record_in_a_masked_interval_is_skipped(self) -> None:
        mask = (Interval("c", 4, 6), Interval("d", 8, 9))
        built = natural(toy("3 CCG C 1|1", "9 A C 1|1"), masked=mask)
        assert (only(built), built.skipped(0, 0)) == ("AACCGGTTCCGTTGCA", (Skipped(3, "masked"),))


class TestBorders:
    """Natural length; the region is 5 to 12: GGTTACGT."""

    @pytest.mark.parametrize(
        ("record", "sequence"),
        [
            ("3 CCGGT C", "TACGT"),
            ("3 C <DEL> END=7", "TACGT"),
            ("3 CCGG TTTA", "TATTACGT"),
            ("4 C CAAA", "GGTTACGT"),
            ("4 CGG C", "TTACGT"),
            ("11 GTTG G", "GGTTACG"),
            ("11 GTTG CCAA", "GGTTACCC"),
            ("12 T TCCC", "GGTTACGTCCC"),
            ("12 TTG T", "GGTTACGT"),
            ("3 CCGGTTACGTTG C", ""),
            ("2 A T", "GGTTACGT"),
            ("13 T A", "GGTTACGT"),
        ],
    )
    def test_what_lies_within_is_applied(self, record: str, sequence: str) -> None:
        assert only(natural(toy(f"{record} 1|1"), 5, 12)) == sequence

    def test_by_changed_bases_a_record_belongs_if_one_of_its_alleles_does(self) -> None:
        assert only(natural(toy("12 T TCC 1|1"), 5, 12, overlap="variant")) == "GGTTACGT"
        assert only(natural(toy("12 T TCC,A 1|1"), 5, 12, overlap="variant")) == "GGTTACGTCC"
        assert only(natural(toy("12 T TCC,<NON_REF> 1|1"), 5, 12, overlap="variant")) == "GGTTACGTCC"

    def test_the_minus_strand_is_built_on_plus_and_turned_last(self) -> None:
        region = Interval("c", 4, 12, "-")
        found = people_of(toy("6 G GA 1|1"), whole("c", REFERENCE.encode()), region, Policies(), beyond=False)
        assert build_natural(found, region).sequence(1) == b"ACGTAATCC"


class TestSharing:
    def test_equal_lists_of_changes_are_one_haplotype(self) -> None:
        built = natural(toy("3 C T 0|1 1|0 1|1", "6 G A 0|0 0|1 0|0", samples=3))
        assert built.row_of.tolist() == [[0, 1], [1, 2], [1, 1]]
        assert [text.decode() for text in built.sequences()] == [REFERENCE, "AATCGGTTACGTTGCA", "AACCGATTACGTTGCA"]
        assert built.carried_rows == 3

    def test_a_person_s_haplotypes_are_the_same_alone(self) -> None:
        calls = ("0|1 1|1 .|1", "1|0 0/1 1", "0|2 2|1 1|.")
        cohort = toy(f"4 CGG C {calls[0]}", f"6 G A {calls[1]}", f"9 A AC,T {calls[2]}", samples=3)
        alone = [pairs(natural(of_sample(cohort, name)))[0] for name in cohort.samples]
        assert pairs(natural(cohort)) == alone

    def test_what_is_skipped_makes_no_other_haplotype(self) -> None:
        built = natural(toy("3 C T 1|1", "4 C <INS> 1|0"))
        assert built.row_of.tolist() == [[1, 1]]
        assert (len(built.skipped(0, 0)), len(built.skipped(0, 1))) == (1, 0)

    def test_the_reference_is_the_first_row_even_where_nobody_has_it(self) -> None:
        built = natural(toy("3 C T 1|1"))
        assert (len(built.distinct), built.carried_rows, built.sequence(0).decode()) == (2, 1, REFERENCE)
