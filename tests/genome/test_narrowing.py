"""Cutting a window out of genotypes equals reading the window."""

from __future__ import annotations

import pytest

from app.genome.narrowing import narrowed
from app.genome.vcf.query import GenotypeQuery
from tests.genome.vcfs import assert_equal_genotypes, read, vcf

TEXT = vcf(
    "chr1 5 . A C . PASS . GT:PS 0|1:5 1|1",
    "chr1 9 . ACGTACGT A,AC . q . GT 0|2 1",
    "chr1 12 . A <DEL> . . END=40 GT ./. 1|0",
    "chr1 50 . A C . . . GT 0|1 1|1",
)


@pytest.mark.parametrize(("start", "end"), [(0, 1000), (0, 4), (4, 5), (10, 12), (15, 16), (39, 40), (40, 49), (-9, 8)])
def test_a_window_cut_out_equals_a_window_read(start, end):
    assert_equal_genotypes(narrowed(read(TEXT), start, end), read(TEXT, GenotypeQuery("chr1", start, end)))
