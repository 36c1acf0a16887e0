"""One process that reads a cohort's haplotypes with GenVarLoader, under a Python that has it; JSON in, JSON out.

It stands alone: nothing of Basecast is imported, nor installed there.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path


def main() -> None:
    """Write a dataset of one window, then read everybody's haplotypes so many times."""
    given = json.load(sys.stdin)
    began = time.perf_counter()
    import genvarloader  # noqa: PLC0415 - its import is measured
    import polars as pl  # noqa: PLC0415

    imported = time.perf_counter()
    folder = Path(given["folder"])
    bed = pl.DataFrame({"chrom": [given["contig"]], "chromStart": [given["start"]], "chromEnd": [given["end"]]})
    dataset = folder / "cohort.gvl"
    genvarloader.write(dataset, bed, variants=str(folder / "cohort.vcf.gz"), overwrite=True)
    wrote = time.perf_counter()
    everything = genvarloader.Dataset.open(dataset, reference=str(folder / "reference.fa")).with_seqs("haplotypes")
    length = given["end"] - given["start"] if given["form"] == "window" else "ragged"
    haplotypes = everything.with_len(length)
    seconds = []
    for _ in range(given["times"]):
        began_reading = time.perf_counter()
        haplotypes[0, :]
        seconds.append(time.perf_counter() - began_reading)
    told = {"seconds": seconds, "import_seconds": imported - began, "write_seconds": wrote - imported}
    memory = {"peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
    json.dump(told | memory | {"version": genvarloader.__version__}, sys.stdout)


if __name__ == "__main__":
    main()
