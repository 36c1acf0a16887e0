"""Small VCFs drawn at random over a small reference, of every shape that a builder must know."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

BASES = "ACGT"
CALLS = ("0|1", "1|0", "1|1", "0/1", "1/0", "1/1", "0|0", ".|1", "1|.", "./.", "1/.")
OF_TWO = ("1|2", "2|1", "0|2", "2|0", "2|2", "1/2", ".|2", "1|1")

Draw = st.DrawFn


@dataclass(frozen=True)
class Record:
    position: int
    reference: str
    alternates: tuple[str, ...]
    call: str
    end: int | None = None

    def line(self) -> str:
        info = "." if self.end is None else f"END={self.end}"
        fields = ("c", self.position, ".", self.reference, ",".join(self.alternates), ".", ".", info, "GT", self.call)
        return "\t".join(map(str, fields))

    @property
    def carried(self) -> list[str]:
        """The alternate alleles that the sample has."""
        return [self.alternates[int(allele) - 1] for allele in self.call if allele in "123"]


@dataclass(frozen=True)
class Drawn:
    bases: str
    records: tuple[Record, ...]

    def vcf(self) -> str:
        header = (
            "##fileformat=VCFv4.2",
            f"##contig=<ID=c,length={len(self.bases)}>",
            '##INFO=<ID=END,Number=1,Type=Integer,Description="end">',
            '##FORMAT=<ID=GT,Number=1,Type=String,Description="genotype">',
            '##ALT=<ID=DEL,Description="deletion">',
            "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ts",
        )
        return "\n".join([*header, *(record.line() for record in self.records), ""])


@st.composite
def drawn(draw: Draw, *, simple: bool = False) -> Drawn:
    """A reference of 12 to 40 bases, and up to ten records of one sample.

    All in upper case: in a soft-masked reference bcftools writes the base that an indel stands on anew, and with it
    loses a substitution there.

    Args:
        simple: no allele that is both shorter than REF and without its first base.
    """
    bases = draw(st.text(BASES, min_size=12, max_size=40))
    kinds = [substitution, deletion, insertion, mnp, multi_allelic, symbolic, spanned, inserted_after_deletion]
    kinds += [] if simple else [complex_change]
    shapes = draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=5))
    records = [record for shape in shapes for record in shape(draw, bases)]
    return Drawn(bases, tuple(sorted(records, key=lambda record: record.position)))


def reference_at(draw: Draw, bases: str, least: int = 1, most: int = 1) -> tuple[int, str]:
    length = draw(st.integers(least, most))
    start = draw(st.integers(0, len(bases) - length))
    return start + 1, bases[start : start + length].upper()


def other_than(draw: Draw, base: str) -> str:
    return draw(st.sampled_from([other for other in BASES if other != base]))


def call(draw: Draw) -> str:
    return draw(st.sampled_from(CALLS))


def substitution(draw: Draw, bases: str) -> list[Record]:
    position, reference = reference_at(draw, bases)
    return [Record(position, reference, (other_than(draw, reference),), call(draw))]


def deletion(draw: Draw, bases: str) -> list[Record]:
    position, reference = reference_at(draw, bases, 2, 6)
    return [Record(position, reference, (reference[0],), call(draw))]


def insertion(draw: Draw, bases: str) -> list[Record]:
    position, reference = reference_at(draw, bases, 1, 2)
    put_in = draw(st.text(BASES, min_size=1, max_size=4))
    return [Record(position, reference, (reference + put_in,), call(draw))]


def mnp(draw: Draw, bases: str) -> list[Record]:
    position, reference = reference_at(draw, bases, 2, 4)
    return [Record(position, reference, ("".join(other_than(draw, base) for base in reference),), call(draw))]


def complex_change(draw: Draw, bases: str) -> list[Record]:
    position, reference = reference_at(draw, bases, 1, 4)
    alternate = draw(st.text(BASES, min_size=1, max_size=5).filter(lambda text: text != reference))
    return [Record(position, reference, (alternate,), call(draw))]


def multi_allelic(draw: Draw, bases: str) -> list[Record]:
    position, reference = reference_at(draw, bases, 1, 3)
    longer = reference + draw(st.text(BASES, min_size=1, max_size=3))
    other = draw(st.sampled_from([other_than(draw, reference[0]) + reference[1:], "<NON_REF>"]))
    alternates = (longer, other)
    of_two = [each for each in OF_TWO if other != "<NON_REF>" or "2" not in each]
    return [Record(position, reference, alternates, draw(st.sampled_from(of_two)))]


def symbolic(draw: Draw, bases: str) -> list[Record]:
    position, reference = reference_at(draw, bases[:-4])
    end = position + draw(st.integers(1, 4))
    return [Record(position, reference, ("<DEL>",), call(draw), end)]


def spanned(draw: Draw, bases: str) -> list[Record]:
    """A deletion, and a record within it that says so."""
    position, reference = reference_at(draw, bases, 3, 6)
    within = reference[1]
    star = Record(position + 1, within, (other_than(draw, within), "*"), draw(st.sampled_from(OF_TWO)))
    return [Record(position, reference, (reference[0],), draw(st.sampled_from(("1|1", "0|1", "1|0")))), star]


def inserted_after_deletion(draw: Draw, bases: str) -> list[Record]:
    position, reference = reference_at(draw, bases, 2, 4)
    last = reference[-1]
    put_in = last + draw(st.text(BASES, min_size=1, max_size=3))
    return [
        Record(position, reference, (reference[0],), "1|1"),
        Record(position + len(reference) - 1, last, (put_in,), call(draw)),
    ]
