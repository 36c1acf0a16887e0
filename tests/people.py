"""People whose predictions can be worked out on paper: 50 bases A, then 50 bases C, and variants between them.

The window `chr1:41-50` is ten A, so that a G in it is worth 0.1 of GC content. `ann` has one G on her second haplotype,
`bob` has it on both and lacks the base at 48, so that a C comes in from the right; `cyd` has the reference.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pysam

from app.settings import Settings
from tests.genome.vcfs import vcf
from tests.toy import write_toy_bundle

CONTIG = "A" * 50 + "C" * 50
REGION = "chr1:41-50"
HEADER = "##contig=<ID=chr1,length=100>"
RECORDS = (
    "chr1 45 . A G . PASS . GT 0|1 1|1 0|0",
    "chr1 47 . AA A . PASS . GT 0|0 0|1 0|0",
    "chr1 49 . A T . q10 . GT 1|1 0|0 0|0",
)
VCF = vcf(*RECORDS, samples="ann bob cyd", header=HEADER)
GENES = "chr1\t44\t60\tPLUS\t0\t+\nchr1\t20\t46\tMINUS\t0\t-\n"

# What `gc` says over ten bases: G at 45, and C for the base that is gone.
VALUES = {"ann": (0.0, 0.1), "bob": (0.1, 0.2), "cyd": (0.0, 0.0)}


def write_genomes(folder: Path) -> dict[str, Any]:
    """Write the reference, the cohort `three` and the gene table; the settings that name them."""
    (folder / "reference.fa").write_text(f">chr1\n{CONTIG}\n")
    (folder / "genes.bed").write_text(GENES)
    (folder / "three.vcf").write_bytes(VCF)
    compressed = folder / "three.vcf.gz"
    pysam.tabix_compress(str(folder / "three.vcf"), str(compressed), force=True)
    pysam.tabix_index(str(compressed), preset="vcf", force=True)
    return {
        "reference": folder / "reference.fa",
        "genes": folder / "genes.bed",
        "cohorts": {"three": str(compressed)},
    }


def write_window_bundle(folder: Path, name: str = "gc-window", **window: Any) -> Path:
    """The `gc` bundle with a window of six bases upstream of a transcription start and four from it on."""
    rules = {"encoding": "one_hot", "ambiguous": "n", "min_bases": 10, "max_bases": 10, "max_tokens": 10}
    around = {"anchor": "tss", "upstream_bases": 6, "downstream_bases": 4} | window
    examples = [
        {"sequence": "GGCAGGCAGA", "values": {"gc_fraction": 0.7}},
        {"sequence": "TTTTTTTTTT", "values": {"gc_fraction": 0}},
    ]
    golden = {"tolerance": 1e-4, "examples": examples}
    return write_toy_bundle(folder, name, input=rules | {"window": around}, golden=golden)


def settings_of(folder: Path, models: Path, **changes: Any) -> Settings:
    """Settings of a service for these people."""
    return Settings(**{"models": models, "threads": 1} | write_genomes(folder) | changes)
