"""A manifest, printed for people."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console, Group
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from app.bundle import Estimate, Input, Manifest, Quantised, Score, Target
from app.encoding import accepted_letters

WIDEST_MODEL_NAME = 22
# A model of genes has dozens of targets, and a table for each would be pages.
MANY_TARGETS = 8
NAMED_TARGETS = 3


def bases_accepted(rules: Input) -> str:
    """How long a sequence may be and of which letters, such as `1 to 1,000 of ACGTU`, or that none is read."""
    if not rules.reads_sequences:
        return f"none; {rules.max_tokens:,} variants"
    return f"{rules.min_bases:,} to {rules.max_bases:,} of {accepted_letters(rules)}"


def targets_in_short(manifest: Manifest) -> str:
    """The names of the targets; of many the first, and how many more there are."""
    names = manifest.target_names
    if len(names) <= MANY_TARGETS:
        return ", ".join(names)
    return f"{', '.join(names[:NAMED_TARGETS])} and {len(names) - NAMED_TARGETS} more"


def estimate(figure: Estimate) -> str:
    """A figure with its interval."""
    return f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})"


def print_card(console: Console, manifest: Manifest) -> None:
    """Print what a manifest says."""
    console.print(f"[bold]{manifest.name}[/] {manifest.version}  {escape(manifest.summary)}\n")
    console.print(_facts(_origin(manifest)))
    _section(console, "Targets", _targets(manifest.targets))
    _section(console, "Input", _facts(_input(manifest.input)))
    if manifest.scores:
        many = len(manifest.targets) > MANY_TARGETS
        shown = _scores_of_many(manifest.scores) if many else _scores(manifest.scores)
        _section(console, "Figures, R2 with its 95 % interval", shown)
    _section(console, "Intended use", escape(manifest.intended_use))
    _section(console, "Limits", escape(manifest.limits))
    _section(console, "Provenance", _facts(_provenance(manifest)))


def _section(console: Console, title: str, content: Table | Group | str) -> None:
    console.print(f"\n[bold cyan]{title}[/]")
    console.print(Padding(content, (0, 0, 0, 2), expand=False))


def _facts(facts: dict[str, str]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(name, escape(value))
    return table


def _origin(manifest: Manifest) -> dict[str, str]:
    return {
        "task": manifest.task,
        "organism": manifest.organism,
        "assembly": manifest.assembly or "none",
        "licence": manifest.licence,
        "citation": manifest.citation,
    }


def _targets(targets: Sequence[Target]) -> Table:
    table = Table("name", "unit", "scale", "higher means", "training mean ± sd", "description", box=None)
    for target in targets:
        spread = f"{target.mean:.4g} ± {target.standard_deviation:.4g}"
        texts = (target.name, target.unit, target.scale, target.higher_means, spread, target.description)
        table.add_row(*map(escape, texts))
    return table


def _input(rules: Input) -> dict[str, str]:
    facts = {"bases": bases_accepted(rules)}
    if rules.reads_sequences:
        facts["read as"] = f"{rules.encoding}, at most {rules.max_tokens:,}"
        facts["both strands averaged"] = "yes" if rules.reverse_complement_averaged else "no"
    else:
        facts["read as"] = "each person's alternate alleles, 0 to 2; the mean where a call is missing"
    if rules.window:
        around = f"{rules.window.upstream_bases:,} upstream, {rules.window.downstream_bases:,} downstream"
        facts["window"] = f"{around} of the {rules.window.anchor}"
    if rules.segments:
        facts["segments"] = f"{rules.segments.count:,} of {rules.segments.bases:,} bases"
    return facts


def _scores(scores: Sequence[Score]) -> Group:
    """A heading for each target and subset, and below it the models that were scored on the same rows."""
    groups: dict[str, list[Score]] = {}
    for score in sorted(scores, key=lambda score: (score.target, score.subset)):
        heading = f"{score.target}, {score.split}: {score.subset} ({score.rows:,} rows)"
        groups.setdefault(heading, []).append(score)
    return Group(*(part for heading, group in groups.items() for part in (escape(heading), _models(group))))


def _scores_of_many(scores: Sequence[Score]) -> Group:
    """A line for each target: what this bundle reaches, and the correlation of the models beside it."""
    groups: dict[str, dict[str, dict[str, Score]]] = {}
    for score in scores:
        heading = f"{score.split}: {score.subset} ({score.rows:,} rows)"
        groups.setdefault(heading, {}).setdefault(score.target, {})[score.model] = score
    return Group(*(part for heading, targets in groups.items() for part in (escape(heading), _lines(targets))))


def _lines(targets: dict[str, dict[str, Score]]) -> Table:
    models = list(dict.fromkeys(model for scores in targets.values() for model in scores))
    table = Table("", "r2", *(escape(f"pearson, {model}") for model in models), box=None)
    for target, scores in targets.items():
        pearson = [_figure("pearson", scores[model].metrics["pearson"]) if model in scores else "-" for model in models]
        first = next(iter(scores.values()))
        table.add_row(target, _figure("r2", first.metrics["r2"]), *pearson)
    return table


def _models(scores: Sequence[Score]) -> Table:
    metrics = list(dict.fromkeys(name for score in scores for name in score.metrics))
    table = Table(box=None)
    table.add_column("", min_width=WIDEST_MODEL_NAME, no_wrap=True)
    for name in metrics:
        table.add_column(name, no_wrap=True)
    for score in scores:
        figures = [_figure(name, score.metrics[name]) if name in score.metrics else "-" for name in metrics]
        table.add_row(escape(score.model), *figures, style="bold" if score.model == "this bundle" else "")
    return table


def _figure(name: str, figure: Estimate) -> str:
    return estimate(figure) if name == "r2" else f"{figure.value:.3f}"


def _provenance(manifest: Manifest) -> dict[str, str]:
    made = manifest.provenance
    facts = {
        "architecture": made.architecture,
        "parameters": f"{made.parameters:,}",
        "precision": manifest.precision,
        "code version": made.code_version,
        "data SHA-256": made.data_sha256 or "not known, trained elsewhere",
        "command": made.command,
        "torch to ONNX": f"at most {manifest.parity.largest_difference:.2g} standard deviations apart",
        "golden examples": f"{len(manifest.golden.examples)}, within {manifest.golden.tolerance:g}",
    }
    return facts | ({} if manifest.quantised is None else _quantised(manifest.quantised))


def _quantised(quantised: Quantised) -> dict[str, str]:
    within = f"at most {quantised.largest_difference:.2g} standard deviations, rms {quantised.rms_difference:.2g}"
    return {
        "8 bits to fp32": f"{within}, over {quantised.compared_rows:,} {quantised.compared}",
        "calibrated on": f"{quantised.calibration_rows:,} training rows" if quantised.calibration_rows else "nothing",
        "alone to in a batch": f"at most {quantised.largest_batch_difference:.2g} standard deviations apart",
    }
