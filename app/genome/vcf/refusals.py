"""How a VCF is refused: by its line and what was expected there, never by what stands there."""

from __future__ import annotations

from app.errors import VcfRefused


def at_line(code: str, line: int, expected: str) -> VcfRefused:
    """A refusal that names the line.

    Args:
        code: of the wire contract, `vcf_…`.
        line: 1-based; 0 for a record of an indexed file, where lines are not counted.
        expected: a sentence about the format or the limit, with the way out.
    """
    where = f"Line {line}" if line else "A record of this region"
    return VcfRefused(code, f"{where}: {expected}")
