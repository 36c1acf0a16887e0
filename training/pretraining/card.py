"""The `README.md` of a pre-trained model: what it was trained on, and what was kept from it."""

from __future__ import annotations

from collections.abc import Iterator

from training.pretraining.pretrained import Pretrained


def card(pretrained: Pretrained) -> str:
    """Write the card, in Markdown."""
    config = pretrained.config
    sections = [
        f"# {config.name}",
        _what_it_is(pretrained),
        "## Trained on\n\n" + "\n".join(f"- {line}" for line in _trained_on(pretrained)),
        f"## Perplexity\n\n{_perplexity(pretrained)}",
        f"## Made by\n\n{_made_by(pretrained)}",
        config.notes.strip(),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _what_it_is(pretrained: Pretrained) -> str:
    sizes, entries = pretrained.config.model, pretrained.config.vocabulary.entries
    return (
        f"A masked language model of DNA with DNABERT-2's architecture: {sizes.layers} layers of width {sizes.width}, "
        f"{sizes.heads} heads, inner width {sizes.inner_width}, {entries:,} BPE tokens, "
        f"{pretrained.parameters:,} parameters. Trained from scratch; no published weights were used. "
        "The folder is in DNABERT-2's on-disk format (keys, config and tokenizer of zhihan1996/DNABERT-2-117M)."
    )


def _trained_on(pretrained: Pretrained) -> Iterator[str]:
    genome, config = pretrained.genome, pretrained.config.genome
    yield f"Organism: {config.organism}"
    yield f"File: `{config.fasta}`" + (f" ({config.source})" if config.source else "")
    tokens = pretrained.config.fit.context_tokens
    yield (
        f"Both strands of {genome.train_bases:,} bases, in rows of {tokens} tokens "
        f"(about {tokens * pretrained.bases_per_token:,.0f} bases) from random places"
    )
    yield f"Held out, never trained on: {', '.join(config.held_out)} ({genome.valid_bases:,} bases)"
    yield _excluded(pretrained)
    yield f"Left out as unknown: {genome.unknown_bases:,} bases that are not A, C, G or T"
    yield "No label or measurement of any kind was seen"


def _excluded(pretrained: Pretrained) -> str:
    config = pretrained.config.genome
    named = [*config.exclude, *([f"the intervals in `{config.exclude_bed}`"] if config.exclude_bed else [])]
    if not named:
        return (
            "Excluded on purpose: nothing. The sequences of a later task's test genes may be among what was trained on"
        )
    return f"Excluded on purpose: {', '.join(named)} ({pretrained.genome.excluded_bases:,} bases)"


def _perplexity(pretrained: Pretrained) -> str:
    metrics, fit = pretrained.metrics, pretrained.config.fit
    return (
        f"Of masked tokens ({fit.masking_rate:.0%}) of the held-out contigs:\n\n"
        "| | perplexity |\n|---|---|\n"
        f"| a uniform guess | {pretrained.config.vocabulary.entries:,} |\n"
        f"| the tokens' frequencies | {metrics['frequency_perplexity']:,.1f} |\n"
        f"| this model | {metrics['valid_perplexity']:,.1f} |\n\n"
        f"The masked token itself has the highest score in {metrics['valid_accuracy']:.2%} of the places. "
        f"{metrics['step']:,} steps, {metrics['tokens']:,} tokens ({pretrained.passes:,.1f} passes), "
        f"{metrics['seconds'] / 60:,.1f} minutes "
        f"on {pretrained.device}."
    )


def _made_by(pretrained: Pretrained) -> str:
    digests = "\n".join(f"- `{name}`: SHA-256 `{digest}`" for name, digest in pretrained.data_sha256.items())
    return (
        f"`python -m training pretrain` (code {pretrained.code_version}); "
        f"configuration and digests are in `provenance.json`, figures in `metrics.json`.\n\n{digests}"
    )
