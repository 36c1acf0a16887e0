"""One contig under its several names: with and without `chr`, and the mitochondrion."""

from __future__ import annotations

from collections.abc import Collection

MITOCHONDRION = ("chrM", "MT", "chrMT", "M")


def aliases(contig: str) -> tuple[str, ...]:
    """Every name that means this contig, its own first."""
    if contig in MITOCHONDRION:
        return (contig, *(name for name in MITOCHONDRION if name != contig))
    other = contig.removeprefix("chr") if contig.startswith("chr") else f"chr{contig}"
    return (contig, other) if other else (contig,)


def resolve(contig: str, known: Collection[str]) -> str | None:
    """The name under which `known` holds this contig, its own name before any alias."""
    return next((name for name in aliases(contig) if name in known), None)
