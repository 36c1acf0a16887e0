"""The coordinate map between the reference and a haplotype, as a UCSC chain."""

from __future__ import annotations

from app.genome.haplotypes.edits import Codes, Edits
from app.genome.intervals import Interval


def chain(edits: Edits, applied: Codes, region: Interval, number: int) -> str:
    """A haplotype of natural length against its region: aligned blocks, and what each side has between them.

    Substitutions of equal length do not end a block.

    Args:
        number: the chain's id, unique in its file.

    Returns:
        The chain's lines, with an empty one at its end.
    """
    blocks: list[str] = []
    at, aligned, gained = region.start, 0, 0
    for row in applied.tolist():
        edit = edits.rows[row]
        lost, put_in = edit.end - edit.start, len(edit.bases)
        if lost != put_in:
            blocks.append(f"{edit.start - at} {lost} {put_in}")
            aligned += edit.start - at
            gained += put_in - lost
            at = edit.end
    blocks.append(str(region.end - at))
    names = f"{region.contig} {region.end} + {region.start} {region.end}"
    own_end = region.end + gained
    own_names = f"{region.contig} {own_end} + {region.start} {own_end}"
    score = aligned + region.end - at
    return "\n".join([f"chain {score} {names} {own_names} {number}", *blocks, "", ""])
