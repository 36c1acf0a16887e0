"""`python -m training`: from public data to a bundle, one step or all of them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console

from training.config import Config, read_config
from training.errors import TrainingError
from training.evaluate import evaluate as evaluate_models
from training.evaluate import evaluation_path, load_evaluation, show
from training.export import Export
from training.export import export as export_bundle
from training.import_template import card_template
from training.importing import find_model, import_model, read_card
from training.pipeline import Pipeline
from training.preparation import load_prepared
from training.preparation import prepare as prepare_data
from training.watching import Watcher

app = typer.Typer(
    name="python -m training",
    help="Train a model, measure it and write it as a bundle that the service loads. One TOML file decides everything.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)
console = Console()


class ScoredSplit(StrEnum):
    """Rows that can be scored."""

    valid = "valid"
    test = "test"


ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG.toml", help="One of training/configs/, or your own.")]
Data = Annotated[Path, typer.Option(envvar="BASECAST_DATA", help="Folder that holds the data sets, one folder each.")]
Runs = Annotated[Path, typer.Option(help="Folder for tables, tokenizers, checkpoints and figures.")]
Models = Annotated[Path, typer.Option(help="Folder of bundles.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1 …; auto takes CUDA where there is one.")]
Threads = Annotated[int, typer.Option(min=0, help="CPU threads; 0 leaves the choice to torch.")]
MadeBy = Annotated[str, typer.Option(help="For the manifest: the command that trains it again, if it is another.")]
RandomWeights = Annotated[
    bool, typer.Option("--random-weights", help="Leave model.checkpoint out: a dry run before its weights are there.")
]
Scored = Annotated[ScoredSplit, typer.Option(help="Rows to score; test is for the final figures only.")]

DATA, RUNS, MODELS = Path("data"), Path("runs"), Path("models")


@app.command()
def prepare(config: ConfigFile, data: Data = DATA, runs: Runs = RUNS, random_weights: RandomWeights = False) -> None:
    """Read the data set, split it and train the tokenizer on the training rows."""
    settings = _settings(config, random_weights)
    prepared = prepare_data(settings, data, _run_folder(settings, runs))
    counts = {name: len(prepared.table.split(name)) for name in ("train", "valid", "test")}
    shown = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    console.print(f"{settings.bundle.name}: {shown} rows; table {prepared.table.sha256()[:12]}")


@app.command()
def fit(
    config: ConfigFile,
    runs: Runs = RUNS,
    device: Device = "auto",
    threads: Threads = 0,
    random_weights: RandomWeights = False,
) -> None:
    """Train the teachers, if there are any, and the model; a killed run goes on where it stopped."""
    _pipeline(config, runs, random_weights).fit(_device(device, threads), Watcher(console))


@app.command()
def evaluate(config: ConfigFile, runs: Runs = RUNS, split: Scored = ScoredSplit.test, threads: Threads = 0) -> None:
    """Score the model beside its baselines on the same rows, with bootstrap intervals."""
    _device("cpu", threads)
    pipeline = _pipeline(config, runs)
    others = [_pipeline(config.parent / name, runs) for name in pipeline.config.evaluation.beside]
    beside = {other.config.bundle.name: other for other in others}
    evaluation = evaluate_models(pipeline, beside, split.value)
    evaluation.save(evaluation_path(pipeline.folder, split.value))
    show(evaluation, console)


@app.command()
def export(
    config: ConfigFile, runs: Runs = RUNS, models: Models = MODELS, threads: Threads = 0, made_by: MadeBy = ""
) -> None:
    """Write the bundle, after checking that ONNX Runtime predicts what torch does."""
    _device("cpu", threads)
    pipeline = _pipeline(config, runs)
    command = made_by or f"python -m training run {_shown(config)}"
    written = export_bundle(pipeline, load_evaluation(pipeline.folder), models, command)
    _announce(written)


@app.command()
def run(
    config: ConfigFile,
    data: Data = DATA,
    runs: Runs = RUNS,
    models: Models = MODELS,
    device: Device = "auto",
    threads: Threads = 0,
) -> None:
    """All of it in order: prepare, fit, evaluate on the test rows, export."""
    prepare(config, data, runs)
    fit(config, runs, device, threads)
    evaluate(config, runs, ScoredSplit.test, threads)
    export(config, runs, models, threads)


@app.command("import")
def import_(
    model: Annotated[str, typer.Argument(metavar="FOLDER", help="A fine-tuned model or PEFT adapter; or its Hub id.")],
    card: Annotated[Path | None, typer.Option(help="TOML with what the files cannot say; FOLDER/card.toml.")] = None,
    base: Annotated[str, typer.Option(help="Base of an adapter, if another than it names: folder or Hub id.")] = "",
    models: Models = MODELS,
    template: Annotated[bool, typer.Option("--template", help="Print a card to fill in, and stop.")] = False,
) -> None:
    """Write the bundle of a DNABERT-2 or Nucleotide Transformer regression model that was fine-tuned elsewhere."""
    found = find_model(model, base)
    if template:
        console.out(card_template(found), highlight=False)
        return
    path = card or found.shown / "card.toml"
    written = import_model(found, read_card(path), models, f"python -m training import {found.config.checkpoint}")
    _announce(written)


def main() -> None:
    """Run a command; what can go wrong on purpose is one line on standard error and status 1."""
    try:
        app()
    except TrainingError as error:
        Console(stderr=True).print(f"[red]{type(error).__name__}[/red]: {error}", highlight=False)
        raise SystemExit(1) from None


def _announce(written: Export) -> None:
    parity = written.manifest.parity.largest_difference
    console.print(f"{written.folder}: written; torch and ONNX Runtime differ by {parity:.1e} standard deviations")


def _settings(config: Path, random_weights: bool) -> Config:
    settings = read_config(config)
    return settings.with_random_weights() if random_weights else settings


def _pipeline(config: Path, runs: Path, random_weights: bool = False) -> Pipeline:
    settings = _settings(config, random_weights)
    folder = _run_folder(settings, runs)
    return Pipeline(settings, load_prepared(settings, folder), folder)


def _run_folder(config: Config, runs: Path) -> Path:
    return runs / config.bundle.name


def _device(name: str, threads: int) -> torch.device:
    if threads:
        torch.set_num_threads(threads)
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def _shown(config: Path) -> str:
    """The configuration's path as a reader of the repository knows it, whatever the working directory."""
    return f"training/configs/{config.name}" if config.parent.name == "configs" else config.name


if __name__ == "__main__":
    main()
