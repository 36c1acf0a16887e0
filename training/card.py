"""The model card: `README.md` of a bundle, written from its manifest, so that the two cannot disagree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from app.bundle import Estimate, Manifest, Quantised, Score
from training.resampling import FEWEST_GROUPS

# A table for each would be pages.
MANY_TARGETS = 8
METRICS = ("r2", "pearson", "spearman", "mse", "mae", "rmse")


def model_card(manifest: Manifest, title: str, notes: str) -> bytes:
    """Write the card.

    Args:
        manifest: of the bundle.
        title: heading.
        notes: Markdown that the configuration adds: data, split, recipes tried.
    """
    sections = [
        f"# {title}\n\n{manifest.summary}",
        f"## Use\n\n{manifest.intended_use}\n\n{_usage(manifest)}",
        f"## Limits\n\n{manifest.limits}",
        "## Targets\n\n" + "\n".join(_target_rows(manifest)),
        "## Figures\n\n" + "\n\n".join(_figures(manifest)),
        notes.strip(),
        "" if manifest.quantised is None else f"## Precision\n\n{_precision(manifest, manifest.quantised)}",
        f"## Model\n\n{_model(manifest)}",
        f"## Licence and citation\n\nLicence: {manifest.licence}\n\n{manifest.citation}",
    ]
    return ("\n\n".join(section for section in sections if section) + "\n").encode()


def _usage(manifest: Manifest) -> str:
    rules = manifest.input
    if not rules.reads_sequences:
        return _usage_of_genotypes(manifest)
    letters = {
        "refused": "A, C, G, T (and U)",
        "n": "A, C, G, T (and U) and N",
        "iupac": "all IUPAC codes, the ambiguous ones read as N",
    }[rules.ambiguous]
    bases = f"{rules.min_bases:,} to {rules.max_bases:,}"
    if rules.min_bases == rules.max_bases:
        bases = f"exactly {rules.max_bases:,}"
    return (
        f"Input: one sequence of {bases} bases, 5' to 3'. Letters: {letters}.\n\n"
        f"```sh\nbasecast predict --model {manifest.name} sequences.fasta\n```"
    )


def _usage_of_genotypes(manifest: Manifest) -> str:
    return (
        f"Input: a person's alternate alleles, 0 to 2, at the {manifest.input.max_tokens:,} variants of `variants.tsv` "
        "(1-based positions; swapped alleles are turned, a missing call counts as the mean). Each target depends on "
        "the variants that name it there, and is refused where none of them is found.\n\n"
        "`POST /predict/individual` answers from a VCF; `POST /predict`, which reads sequences, does not."
    )


def _target_rows(manifest: Manifest) -> Iterator[str]:
    yield "| target | unit | higher means | mean | standard deviation | what it is |"
    yield "|---|---|---|---|---|---|"
    for target in manifest.targets:
        numbers = f"{target.mean:.3f} | {target.standard_deviation:.3f}"
        yield f"| `{target.name}` | {target.unit} | {target.higher_means} | {numbers} | {target.description} |"


def _figures(manifest: Manifest) -> Iterator[str]:
    """One table per target, split and subset, the models as rows; intervals are bootstrap 95 %."""
    if not manifest.scores:
        yield "None were taken when this bundle was written."
        return
    yield (
        "Every model was scored on the same rows in one run; in brackets the bootstrap 95 % interval, for which "
        f"related rows are drawn together where there are at least {FEWEST_GROUPS} groups of them. The lead is this "
        "bundle's R2 minus the other model's on the same resamples."
    )
    if len(manifest.targets) > MANY_TARGETS:
        yield from _figures_of_many(manifest)
        return
    if len({score.subset for score in manifest.scores}) > MANY_TARGETS:
        yield from _figures_of_many_subsets(manifest)
        return
    seen = dict.fromkeys((score.target, score.subset, score.split, score.rows) for score in manifest.scores)
    for target, subset, split, rows in seen:
        heading = f"`{target}`, {split}, rows: {subset} ({rows:,})"
        scores = [
            score for score in manifest.scores if (score.target, score.subset, score.split) == (target, subset, split)
        ]
        yield "\n".join([heading, "", *_score_rows(scores)])


def _figures_of_many(manifest: Manifest) -> Iterator[str]:
    """One table per split and subset, the targets as rows."""
    for split, subset, rows in dict.fromkeys((score.split, score.subset, score.rows) for score in manifest.scores):
        scores = [score for score in manifest.scores if (score.split, score.subset) == (split, subset)]
        models = list(dict.fromkeys(score.model for score in scores))
        yield "\n".join(
            [
                f"{split}, rows: {subset} ({rows:,})\n",
                "| target | r2 | " + " | ".join(f"pearson, {model}" for model in models) + " |",
                "|---" * (len(models) + 2) + "|",
                *(_line_of(f"`{target}`", _of_target(target, scores), models) for target in manifest.target_names),
            ]
        )


def _figures_of_many_subsets(manifest: Manifest) -> Iterator[str]:
    """One table per target and split, the subsets as rows."""
    for target, split in dict.fromkeys((score.target, score.split) for score in manifest.scores):
        scores = [score for score in manifest.scores if (score.target, score.split) == (target, split)]
        models = list(dict.fromkeys(score.model for score in scores))
        subsets = dict.fromkeys(score.subset for score in scores)
        by_subset = [[score for score in scores if score.subset == subset] for subset in subsets]
        yield "\n".join(
            [
                f"`{target}`, {split}, {scores[0].rows:,} rows each\n",
                "| rows | r2 | " + " | ".join(f"pearson, {model}" for model in models) + " |",
                "|---" * (len(models) + 2) + "|",
                *(_line_of(subset, each, models) for subset, each in zip(subsets, by_subset, strict=True)),
            ]
        )


def _of_target(target: str, scores: Iterable[Score]) -> Iterator[Score]:
    return (score for score in scores if score.target == target)


def _line_of(name: str, scores: Iterable[Score], models: list[str]) -> str:
    metrics = {score.model: score.metrics for score in scores}
    figures = [_as_text(metrics[models[0]]["r2"]), *(_as_text(metrics[model]["pearson"]) for model in models)]
    return f"| {name} | " + " | ".join(figures) + " |"


def _score_rows(scores: list[Score]) -> Iterator[str]:
    shown = [name for name in METRICS if name in scores[0].metrics]
    leads = ["lead in r2"] if any(score.difference for score in scores) else []
    yield "| model | " + " | ".join(shown + leads) + " |"
    yield "|---" * (len(shown + leads) + 1) + "|"
    for score in scores:
        figures = [_as_text(score.metrics[name]) for name in shown]
        if leads:
            figures.append(_as_text(score.difference["r2"], "+") if score.difference else "")
        yield f"| {score.model} | " + " | ".join(figures) + " |"


def _as_text(estimate: Estimate, sign: str = "") -> str:
    return f"{estimate.value:{sign}.3f} ({estimate.low:{sign}.3f} to {estimate.high:{sign}.3f})"


def _model(manifest: Manifest) -> str:
    provenance = manifest.provenance
    made = "Trained" if provenance.data_sha256 else "Written"
    shapes = ", ".join(f"{rows} x {length}" for rows, length in manifest.parity.shapes)
    return (
        f"{provenance.architecture} {provenance.parameters:,} parameters, {manifest.precision}. "
        f"The whole configuration is in `manifest.json`.\n\n"
        f"- {made} again by: `{provenance.command}` (code {provenance.code_version})\n"
        f"- Table: {_table(provenance.data_sha256)}\n"
        f"- Torch against ONNX Runtime: at most {manifest.parity.largest_difference:.1e} standard deviations "
        f"over batches of {shapes}"
    )


def _precision(manifest: Manifest, quantised: Quantised) -> str:
    held = {
        "int8": "Weights (7 bits) and activations (8 bits, by fixed scales taken from "
        f"{quantised.calibration_rows:,} training rows, but where outliers would make them coarse)",
        "int8-weights": "Weights (8 bits)",
    }[manifest.precision]
    return (
        f"{held} of the larger matrix products are whole numbers; the rest is in single precision. Against the bundle "
        f"in single precision (manifest SHA-256 `{quantised.fp32_sha256}`), in standard deviations of a target, over "
        f"{quantised.compared_rows:,} {quantised.compared}: at most {quantised.largest_difference:.2g}, "
        f"rms {quantised.rms_difference:.2g}. A row alone and in a batch differ by at most "
        f"{quantised.largest_batch_difference:.1g}. How long it takes against single precision depends on the CPU."
    )


def _table(data_sha256: str | None) -> str:
    return f"SHA-256 `{data_sha256}`" if data_sha256 else "not known, the model was trained elsewhere"
