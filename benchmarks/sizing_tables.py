"""The tables of docs/sizing.md: what a core computes, and what follows from that for jobs of two sizes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

MILLION = 1_000_000
SERVED = 0.8  # of what a bare loop computes, through Redis with lists of 32 or more
CORES = 4 * 4  # of the workers that a million sequences are given
GENES, PEOPLE = 20_000, 10_000
DISTINCT = (10, 100, 1_000, 2 * PEOPLE)  # haplotypes of a gene; of the last nobody shares one


@dataclass(frozen=True)
class Sized:
    """What one core computes of one bundle.

    Attributes:
        name: of the bundle, in Markdown.
        bases, tokens: of a sequence; tokens on average.
        per_second: sequences in a second, the median of the rounds.
        spread: (largest - smallest) / median.
    """

    name: str
    bases: int
    tokens: float
    per_second: float
    spread: float

    @property
    def served_per_second(self) -> float:
        """Sequences in a second of one core of the service."""
        return self.per_second * SERVED


def tables(measured: Sequence[Sized]) -> dict[str, str]:
    """Each table by its name in the page."""
    return {"one core": _one_core(measured), "a million": _a_million(measured), "people": _people(measured)}


def rewritten(page: str, parts: Mapping[str, str]) -> str:
    """A page with other parts between their marks.

    Raises:
        ValueError: it has no marks for one of them.
    """
    for name, text in parts.items():
        begin, end = f"<!-- {name}: ", f"<!-- end of {name} -->"
        marked = re.compile(rf"({re.escape(begin)}[^\n]*\n).*?({re.escape(end)})", re.DOTALL)
        page, found = marked.subn(lambda it, text=text: f"{it[1]}{text}\n{it[2]}", page)  # type: ignore[misc]
        if found != 1:
            raise ValueError(f"the page has no place for the table {name!r}: it stands between {begin}… --> and {end}")
    return page


def rewrite(path: Path, parts: Mapping[str, str]) -> None:
    """The same of a file."""
    path.write_text(rewritten(path.read_text(), parts))


def _one_core(measured: Iterable[Sized]) -> str:
    rows = (
        (
            it.name,
            f"{it.bases:,}",
            f"{it.tokens:,.0f}",
            rounded(it.per_second, 3),
            rounded(it.per_second * it.tokens, 3),
            f"{it.spread:.0%}",
            rounded(MILLION / it.per_second / 3600, 3),
        )
        for it in measured
    )
    return _table(("bundle", "bases", "tokens", "sequences/s", "tokens/s", "spread", "core hours for a million"), rows)


def _a_million(measured: Iterable[Sized]) -> str:
    rows = (
        (
            f"{it.name}, {it.bases:,} bases",
            rounded(MILLION / it.served_per_second / 3600, 2),
            duration(MILLION / it.served_per_second / CORES),
        )
        for it in measured
    )
    return _table(("", "core hours", "on 4 workers of 4 cores"), rows)


def _people(measured: Iterable[Sized]) -> str:
    rows = (
        (
            f"{it.name}, {it.bases:,} bases",
            *(duration(GENES * distinct / it.served_per_second) for distinct in DISTINCT),
        )
        for it in measured
    )
    *few, most = DISTINCT
    return _table(("model", *(f"{it:,} distinct" for it in few), f"{most:,} (none shared)"), rows)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---", *("---:" for _ in heads[1:])], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines).replace("|  |", "| |")


def duration(seconds: float) -> str:
    """Two digits of a time, in the largest unit that it fills."""
    for unit, of_seconds in (("h", 3600), ("min", 60)):
        if seconds >= of_seconds:
            return f"{rounded(seconds / of_seconds, 2)} {unit}"
    return f"{rounded(seconds, 2)} s"


def rounded(number: float, digits: int) -> str:
    """A number with so many digits."""
    return f"{float(f'{number:.{digits}g}'):,.10g}"
