"""What a bundle says beyond what is measured: a configuration's `[bundle]` table."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from app.bundle import NAME_PATTERN, VERSION_PATTERN
from training.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class BundleWords:
    """What the manifest and the model card of any model say beyond what is measured."""

    name: str
    """Folder in models/ and name on the wire."""

    version: str
    title: str
    summary: str
    task: str
    organism: str
    licence: str
    citation: str
    intended_use: str
    limits: str
    card: str = ""
    """Markdown for the model card: what was tried, what to watch for."""

    assembly: str = ""
    """Empty for reporters and other sequences that lie on no assembly."""

    def __post_init__(self) -> None:
        if not re.fullmatch(NAME_PATTERN, self.name):
            raise ConfigError(
                f"bundle.name: {self.name!r} is not up to 64 of a-z, 0-9, dot, dash and _, a-z or 0-9 first"
            )
        if not re.fullmatch(VERSION_PATTERN, self.version):
            raise ConfigError(f"bundle.version: {self.version!r} is not three numbers with dots between them, as 1.0.0")

    def manifest_fields(self) -> dict[str, Any]:
        """What the manifest has word for word; what is measured stands beside it."""
        return {
            "name": self.name,
            "version": self.version,
            "summary": self.summary,
            "task": self.task,
            "organism": self.organism,
            "assembly": self.assembly or None,
            "citation": self.citation,
            "licence": self.licence,
            "intended_use": self.intended_use,
            "limits": self.limits,
        }


@dataclass(frozen=True, kw_only=True)
class WindowAround:
    """Where a model's sequences lie around a gene, so that the service can cut them from a genome."""

    anchor: Literal["tss", "start", "centre"]
    upstream_bases: int
    downstream_bases: int
    """From the anchor on, itself included."""

    strand_specific: bool = True

    def __post_init__(self) -> None:
        if min(self.upstream_bases, self.downstream_bases) < 0:
            raise ConfigError("bundle.window: the bases on either side are at least 0")


@dataclass(frozen=True, kw_only=True)
class BundleConfig(BundleWords):
    """What is said of a model that reads sequences."""

    min_bases: int
    max_bases: int
    golden_sequences: tuple[str, ...] = ()
    """The trained model's predictions for these become the golden examples."""

    golden_rows: tuple[str, ...] = ()
    """Ids of rows of the table that are golden sequences too, for windows too long to write down."""

    ambiguous: Literal["refused", "n", "iupac"] = "refused"
    """Which letters beside A, C, G, T and U the service accepts."""

    max_tokens: int = 0
    """Longest input in tokens, special ones included; 0: what `max_bases` comes to at worst. A model with so many
    positions may allow less, and a sequence that gives more is refused."""

    precision: Literal["fp32", "int8-weights", "int8"] = "fp32"
    """Of the bundle that `export` writes; `--precision` there puts another in its place."""

    window: WindowAround | None = None
    """Where sequences of a genome lie around a gene; left out for reporters and other sequences that lie nowhere."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.golden_sequences and not self.golden_rows:
            raise ConfigError("bundle.golden_sequences: at least one sequence is needed, or a row in golden_rows")
        if not 1 <= self.min_bases <= self.max_bases:
            raise ConfigError("bundle: 1 <= min_bases <= max_bases does not hold")
        if self.max_tokens < 0:
            raise ConfigError("bundle.max_tokens must be at least 0")
        bases = self.window.upstream_bases + self.window.downstream_bases if self.window else self.max_bases
        if not self.min_bases <= bases <= self.max_bases:
            raise ConfigError(f"bundle.window: has {bases} bases, which are not between min_bases and max_bases")

    def refuse_8_bits(self) -> None:
        """What is imported is written in single precision, and may be quantised then.

        Raises:
            ConfigError: another precision is asked for.
        """
        if self.precision != "fp32":
            raise ConfigError(
                "bundle.precision: an import is in fp32; `python -m training quantise` goes on from there"
            )
