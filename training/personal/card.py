"""What a personal bundle's model card says beyond the manifest: every regime, all genes, pointing it at a genome."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from training.datasets.people import Gene
from training.evaluate import THIS_BUNDLE
from training.people.evaluation import SHUFFLED
from training.personal.config import PersonalConfig
from training.personal.evaluation import ELASTIC_NET, UNSEEN_GENES, Summary, correlations, name_of, summarise
from training.personal.fit import FittedHead
from training.personal.preparation import PreparedPersonal
from training.predictions import Predictions


def personal_card(
    config: PersonalConfig, prepared: PreparedPersonal, predictions: Predictions, fitted: FittedHead
) -> str:
    """The card's own sections."""
    genes = prepared.people.genes
    sections = [
        "## All genes\n\n" + "\n".join(summary_rows(summarise(predictions, genes), config)),
        _reading(config, prepared),
        _serving(config),
        _recognised(fitted),
        config.bundle.card.strip(),
    ]
    return "\n\n".join(section for section in sections if section)


def summary_rows(summaries: Sequence[Summary], config: PersonalConfig) -> list[str]:
    """A table with a line for each model."""
    rows = ["| model | mean r | median r | genes with r above 0.1 | best |", "|---|---|---|---|---|"]
    for each in summaries:
        best = ", ".join(f"{name} {value:.2f}" for name, value in each.best)
        figures = f"{each.mean:.3f} | {each.median:.3f} | {each.notable:.0%}"
        rows.append(f"| {in_words(each.model, config)} | {figures} | {best} |")
    return rows


def in_words(model: str, config: PersonalConfig) -> str:
    """A model's name as a reader without the code knows it."""
    return {
        THIS_BUNDLE: f"this bundle ({config.fit.regime})",
        ELASTIC_NET: "elastic net on the same folds",
        SHUFFLED: "this bundle, fitted and asked with the genotypes of others",
        UNSEEN_GENES: "this bundle's kind, of genes that it was not fitted to",
    }.get(model, model)


def gene_rows(genes: Sequence[Gene], predictions: Predictions) -> list[str]:
    """A table with a line for each gene, the elastic net's best first."""
    shown = [THIS_BUNDLE, ELASTIC_NET, SHUFFLED]
    found = {model: correlations(predictions, model) for model in shown}
    rows = ["| gene | window's centre | this bundle | elastic net | shuffled genotypes |", "|---|---|---|---|---|"]
    for row in np.argsort(-found[ELASTIC_NET], kind="stable"):
        gene = genes[row]
        name = f"{name_of(gene)} (`{gene.id}`)" if gene.symbol else f"`{gene.id}`"
        figures = " | ".join(f"{found[model][row]:.3f}" for model in shown)
        rows.append(f"| {name} | {gene.contig}:{gene.start:,} ({gene.strand}) | {figures} |")
    return rows


def _reading(config: PersonalConfig, prepared: PreparedPersonal) -> str:
    return (
        f"{len(prepared.people.ids)} people, {len(prepared.people.genes)} genes, {config.split_in_words}: each person "
        "is predicted by a head that neither learnt from nor stopped by anybody of the same fold, so it has seen 60 % "
        "of the people, where the elastic net has seen 80 %. A gene without signal comes out somewhat below 0 in all "
        "of them, since a fold whose people are above the mean is predicted with the mean of the others. "
        "`reference only` has learnt the levels of genes from their reference, as most sequence models have; its "
        "figures are of that level read from people's own sequences. The head in this bundle has learnt from "
        "everybody, for the median of the folds' epochs."
    )


def _serving(config: PersonalConfig) -> str:
    name, side = config.bundle.name, config.segments.side_bases
    return f"""## Point it at a genome

It needs GRCh38 (a FASTA, plain or bgzip) and a VCF on it; `genes.gtf` in this folder has the starts that it was trained
with. Another table's starts differ, and a window moved by a base is none that it knows.

```sh
.venv/bin/basecast individual people.vcf.gz --reference GRCh38.fa.gz --genes models/{name}/genes.gtf \\
  --gene SYNGR1 --model {name} -o syngr1.csv
BASECAST_REFERENCE=GRCh38.fa.gz BASECAST_GENES=models/{name}/genes.gtf basecast serve
```

A region does as well: exactly {2 * side:,} bases, {side:,} of them before the gene's start in its direction, with the
gene's strand."""


def _recognised(fitted: FittedHead) -> str:
    counts = fitted.landmarks.counts
    return (
        "## What it reads\n\nThe head finds the gene by the nearest of its references, and reads the segments in which "
        f"the people it learnt from differ: {int(np.median(counts))} of {fitted.landmarks.references.shape[1]} in the "
        f"median gene, {int(counts.max())} at most. Each of them is compared with the reference's, in standard "
        "deviations of those people; variants in other segments change nothing."
    )
