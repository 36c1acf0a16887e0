"""What the operator configured of genomes: a reference, a gene table and cohorts. No client names a path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from app.bundle import Manifest
from app.errors import ItemError, SettingsError, UnknownCohort, Unprocessable
from app.genome.assemblies import assembly_of, canonical
from app.genome.cohort import Cohort
from app.genome.genes import Gene, GeneTable, read_genes
from app.genome.reference import Reference
from app.genome.vcf.limits import VcfLimits


@dataclass(frozen=True)
class Genomes:
    """One reference and what belongs to it.

    Attributes:
        assembly: what the operator calls the reference; None where he does not say.
        limits: of every VCF that is read.
    """

    reference: Reference
    assembly: str | None = None
    genes: GeneTable | None = None
    cohorts: Mapping[str, Cohort] = field(default_factory=dict)
    limits: VcfLimits = field(default_factory=VcfLimits)

    def gene(self, text: str) -> Gene:
        """A gene of the table by name or id, on the reference's own contig.

        Raises:
            Unprocessable: there is no table, or not this gene in it.
        """
        if self.genes is None:
            detail = "This service has no gene table; send a region, or set `genes`."
            raise Unprocessable(detail, items=[ItemError("/gene", "invalid_field", detail)])
        return self.genes.find(text)

    def cohort(self, name: str) -> Cohort:
        """A configured cohort.

        Raises:
            UnknownCohort: there is none of that name.
        """
        if name not in self.cohorts:
            known = f"there is {', '.join(self.cohorts)}" if self.cohorts else "none is configured"
            raise UnknownCohort(f"No cohort of that name is configured; {known}.")
        return self.cohorts[name]

    def assembly_at(self, contig: str) -> str | None:
        """The assembly of the reference: as the operator says, else as the contig's length tells."""
        return self.assembly or assembly_of(contig, self.reference.contig_bases(contig))

    def check_assembly(self, manifest: Manifest, contig: str) -> None:
        """Refuse a model of another assembly than the reference's, where both are known.

        Raises:
            Unprocessable: so it is.
        """
        ours = self.assembly_at(contig)
        if manifest.assembly is None or ours is None or canonical(manifest.assembly) == canonical(ours):
            return
        detail = f"The model reads {manifest.assembly}, and this service's reference is {ours}."
        raise Unprocessable(detail, items=[ItemError("/model", "reference_mismatch", detail)])


def open_genomes(
    reference: Path,
    assembly: str | None = None,
    genes: Path | None = None,
    cohorts: Mapping[str, Sequence[str]] | None = None,
    limits: VcfLimits = VcfLimits(),  # noqa: B008 - frozen
) -> Genomes:
    """Open everything, so that what cannot be used ends the start.

    Raises:
        SettingsError: a file is missing or not what it should be; the message names the setting and the way out.
    """
    opened: dict[str, Cohort] = {}
    for name, sources in (cohorts or {}).items():
        try:
            opened[name] = Cohort(sources, limits)
        except SettingsError as error:
            raise SettingsError(f"cohorts: {name}: {error}") from None
    try:
        table = None if genes is None else read_genes(genes)
    except SettingsError as error:
        raise SettingsError(f"genes: {error}") from None
    return Genomes(Reference(reference), assembly, table, opened, limits)
