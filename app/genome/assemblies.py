"""Which assembly a reference is of, told by the lengths of its chromosomes."""

from __future__ import annotations

from app.genome.contigs import aliases

SYNONYMS = {"hg38": "GRCh38", "hg19": "GRCh37"}

_GRCH38 = (
    248_956_422, 242_193_529, 198_295_559, 190_214_555, 181_538_259, 170_805_979, 159_345_973, 145_138_636,
    138_394_717, 133_797_422, 135_086_622, 133_275_309, 114_364_328, 107_043_718, 101_991_189, 90_338_345,
    83_257_441, 80_373_285, 58_617_616, 64_444_167, 46_709_983, 50_818_468,
)  # fmt: skip
_GRCH37 = (
    249_250_621, 243_199_373, 198_022_430, 191_154_276, 180_915_260, 171_115_067, 159_138_663, 146_364_022,
    141_213_431, 135_534_747, 135_006_516, 133_851_895, 115_169_878, 107_349_540, 102_531_392, 90_354_753,
    81_195_210, 78_077_248, 59_128_983, 63_025_520, 48_129_895, 51_304_566,
)  # fmt: skip
ASSEMBLIES = {"GRCh38": _GRCH38, "GRCh37": _GRCH37}
"""Lengths of the human autosomes, 1 to 22."""


def canonical(assembly: str) -> str:
    """One name for one assembly: hg38 is GRCh38."""
    return SYNONYMS.get(assembly, assembly)


def assembly_of(contig: str, bases: int | None) -> str | None:
    """The assembly whose chromosome of this name has this length; None where that is not known."""
    for assembly, lengths in ASSEMBLIES.items():
        for number, length in enumerate(lengths, start=1):
            if bases == length and str(number) in aliases(contig):
                return assembly
    return None
