"""`python -m training`: from public data to a bundle, one step or all of them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, NoReturn

import torch
import typer
from rich.console import Console
from rich.text import Text

from app.bundle import read_bundle
from app.errors import BasecastError
from training.config import Config, read_config
from training.crossvalidation import combine, crossvalidation_path, is_done, with_pooled_scores
from training.enformer.card import read_enformer_card
from training.enformer.importing import find_enformer, import_enformer
from training.enformer.template import enformer_template
from training.errors import ConfigError, TrainingError
from training.evaluate import evaluation_path, load_evaluation, predict_split, score
from training.export import Export
from training.export import export as export_bundle
from training.folds import all_folds, run_folder, with_fold
from training.import_template import card_template
from training.importing import find_model, import_model, read_card
from training.people.config import is_of_people
from training.people.predictdb import ENDING, import_predictdb, read_predictdb_card
from training.people.steps import PeopleSteps
from training.personal.config import PersonalConfig, is_personal, read_personal_config
from training.pipeline import Pipeline
from training.predictions import predictions_path
from training.preparation import load_prepared
from training.preparation import prepare as prepare_data
from training.pretraining.config import read_pretrain_config
from training.pretraining.run import PRETRAINED
from training.pretraining.run import pretrain as pretrain_model
from training.processes import launched, refuse_several_processes
from training.published.enformer import is_enformer
from training.published.source import checkpoint_folder, shown_source
from training.quantisation.bundle import quantise as quantise_bundle
from training.quantisation.material import load_material, material_of
from training.report.pages import write_report
from training.showing import show_scores
from training.watching import Watcher

if TYPE_CHECKING:
    from training.personal.steps import PersonalSteps

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


class Quantisable(StrEnum):
    """What a finished bundle can be written in."""

    int8_weights = "int8-weights"
    int8 = "int8"


class Exportable(StrEnum):
    """What a trained model can be written in."""

    fp32 = "fp32"
    int8_weights = "int8-weights"
    int8 = "int8"


ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG.toml", help="One of training/configs/, or your own.")]
ConfigFiles = Annotated[list[Path], typer.Argument(metavar="CONFIG.toml...", help="Of the runs to report.")]
Output = Annotated[Path, typer.Option(help="Folder of the report.")]
Data = Annotated[Path, typer.Option(envvar="BASECAST_DATA", help="Folder that holds the data sets, one folder each.")]
Runs = Annotated[Path, typer.Option(help="Folder for tables, tokenizers, checkpoints and figures.")]
Models = Annotated[Path, typer.Option(help="Folder of bundles.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1 …; auto takes CUDA where there is one.")]
Threads = Annotated[int, typer.Option(min=0, help="CPU threads; 0 leaves the choice to torch.")]
MadeBy = Annotated[str, typer.Option(help="For the manifest: the command that trains it again, if it is another.")]
RandomWeights = Annotated[
    bool, typer.Option("--random-weights", help="Leave model.checkpoint out: a dry run before its weights are there.")
]
Steps = Annotated[int, typer.Option(min=0, help="A dry run: end after so many steps, beside the real run; 0: train.")]
StepLimit = Annotated[int | None, typer.Option(min=0, help="Instead of the configuration's limit; 0: none.")]
Minutes = Annotated[float | None, typer.Option(min=0, help="Instead of the configuration's limit; 0: none.")]
Scored = Annotated[ScoredSplit, typer.Option(help="Rows to score; test is for the final figures only.")]
Fold = Annotated[int | None, typer.Option(help="The fold to test, from 0, for a configuration with split.folds.")]

ExportPrecision = Annotated[Exportable | None, typer.Option(help="Instead of the configuration's bundle.precision.")]

DATA, RUNS, MODELS = Path("data"), Path("runs"), Path("models")


@app.command()
def prepare(
    config: ConfigFile,
    data: Data = DATA,
    runs: Runs = RUNS,
    fold: Fold = None,
    random_weights: RandomWeights = False,
) -> None:
    """Read the data set, split it and train the tokenizer on the training rows."""
    if (steps := _steps_of_people(config, runs)) is not None:
        steps.prepare(data)
        return
    settings = _settings(config, fold, random_weights)
    prepared = prepare_data(settings, data, run_folder(settings, runs))
    counts = {name: len(prepared.table.split(name)) for name in ("train", "valid", "test")}
    shown = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    console.print(f"{settings.bundle.name}: {shown} rows; table {prepared.table.sha256()[:12]}")


@app.command()
def pretrain(
    config: ConfigFile,
    data: Data = DATA,
    runs: Runs = RUNS,
    device: Device = "auto",
    threads: Threads = 0,
    steps: StepLimit = None,
    minutes: Minutes = None,
) -> None:
    """Pre-train a masked language model on a genome, in DNABERT-2's format; a killed run goes on where it stopped."""
    settings = read_pretrain_config(config).limited(steps, minutes)
    pretrained = pretrain_model(settings, data, runs / settings.name, _device(device, threads), console)
    perplexity = pretrained.metrics["valid_perplexity"]
    console.print(f"{runs / settings.name / PRETRAINED}: written; perplexity {perplexity:,.1f} on held-out contigs")


@app.command()
def fit(
    config: ConfigFile,
    runs: Runs = RUNS,
    device: Device = "auto",
    threads: Threads = 0,
    steps: Steps = 0,
    fold: Fold = None,
    random_weights: RandomWeights = False,
) -> None:
    """Train the teachers, if there are any, and the model; a killed run goes on where it stopped.

    On several GPUs: torchrun --nproc-per-node 4 -m training fit CONFIG.toml, or the same with accelerate launch.
    """
    if (of_people := _steps_of_people(config, runs)) is not None:
        _device("cpu", threads)
        of_people.fit()
        return
    with launched(_device(device, threads)) as processes:
        watcher = Watcher(console if processes.is_main else Console(quiet=True))
        _pipeline(config, runs, fold, steps, random_weights).fit(processes.device, watcher, processes)


@app.command()
def evaluate(
    config: ConfigFile,
    runs: Runs = RUNS,
    split: Scored = ScoredSplit.test,
    device: Device = "auto",
    threads: Threads = 0,
    fold: Fold = None,
) -> None:
    """Score the model beside its baselines on the same rows, with bootstrap intervals; keep what all predicted."""
    if (steps := _steps_of_people(config, runs)) is not None:
        _device("cpu", threads)
        steps.evaluate()
        return
    chosen = _device(device, threads)
    pipeline = _pipeline(config, runs, fold)
    others = [_pipeline(config.parent / name, runs, fold) for name in pipeline.config.evaluation.beside]
    beside = {other.config.bundle.name: other for other in others}
    predictions = predict_split(pipeline, beside, split.value, chosen)
    predictions.save(predictions_path(pipeline.folder, split.value))
    evaluation = score(pipeline, predictions, split.value, beside)
    evaluation.save(evaluation_path(pipeline.folder, split.value))
    show_scores(evaluation.scores, console)


@app.command()
def export(
    config: ConfigFile,
    runs: Runs = RUNS,
    models: Models = MODELS,
    threads: Threads = 0,
    made_by: MadeBy = "",
    fold: Fold = None,
    precision: ExportPrecision = None,
) -> None:
    """Write the bundle, after checking that ONNX Runtime predicts what torch does."""
    _device("cpu", threads)
    command = made_by or f"python -m training run {_shown(config)}" + (f" --fold {fold}" if fold is not None else "")
    if (steps := _steps_of_people(config, runs)) is not None:
        _announce(steps.export(models, command))
        return
    pipeline = _pipeline(config, runs, fold)
    evaluation = with_pooled_scores(load_evaluation(pipeline.folder), pipeline.config, runs)
    chosen = precision.value if precision else pipeline.config.bundle.precision
    if chosen == "fp32":
        _announce(export_bundle(pipeline, evaluation, models, command))
        return
    with TemporaryDirectory() as beside:
        single = export_bundle(pipeline, evaluation, Path(beside), command)
        _announce(single)
        material = material_of(pipeline.config, pipeline.prepared.table)
        _announce_8_bits(quantise_bundle(read_bundle(single.folder), chosen, models / single.folder.name, material))


@app.command()
def quantise(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="Folder of a finished bundle in fp32.")],
    precision: Annotated[Quantisable, typer.Option(help="8 bits for the weights alone, or for activations too.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder to write; its name is the bundle's. [BUNDLE-PRECISION]"),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="That it was trained with, prepared: calibrates and scores on its rows.")
    ] = None,
    runs: Runs = RUNS,
    fold: Fold = None,
) -> None:
    """Write a bundle's like in 8 bits, and what that changed; refused where answers would depend on their batch."""
    material = load_material(_settings(config, fold), runs) if config else None
    folder = output or bundle.with_name(f"{bundle.resolve().name}-{precision.value}")
    _announce_8_bits(quantise_bundle(read_bundle(bundle), precision.value, folder, material))


@app.command()
def run(
    config: ConfigFile,
    data: Data = DATA,
    runs: Runs = RUNS,
    models: Models = MODELS,
    device: Device = "auto",
    threads: Threads = 0,
    fold: Fold = None,
) -> None:
    """All of it in order: prepare, fit, evaluate on the test rows, export."""
    refuse_several_processes()
    prepare(config, data, runs, fold)
    fit(config, runs, device, threads, fold=fold)
    evaluate(config, runs, ScoredSplit.test, device, threads, fold)
    export(config, runs, models, threads, fold=fold)


@app.command()
def crossvalidate(
    config: ConfigFile, data: Data = DATA, runs: Runs = RUNS, device: Device = "auto", threads: Threads = 0
) -> None:
    """Prepare, fit and evaluate every fold, and score all rows together; folds that are done are not done again."""
    refuse_several_processes()
    settings = read_config(config)
    if not settings.split.folds:
        raise ConfigError(f"{config}: split.folds is 0, so there is nothing to cross-validate; set it to 5, say")
    for fold_settings in all_folds(settings):
        fold = fold_settings.split.fold
        others = [config.parent / name for name in settings.evaluation.beside]
        if is_done(fold_settings, runs, [_settings(path, fold) for path in others]):
            console.print(f"{settings.bundle.name}, fold {fold}: done before")
            continue
        for path in (*others, config):
            prepare(path, data, runs, fold)
            fit(path, runs, device, threads, fold=fold)
        evaluate(config, runs, ScoredSplit.test, device, threads, fold)
    combined = combine(settings, runs)
    combined.save(crossvalidation_path(settings, runs))
    show_scores(combined.scores, console)


@app.command("import")
def import_(
    model: Annotated[
        str,
        typer.Argument(
            metavar="FOLDER",
            help="A fine-tuned model, adapter or Enformer, or its Hub id; or a .db file.",
        ),
    ],
    card: Annotated[Path | None, typer.Option(help="TOML with what the files cannot say; FOLDER/card.toml.")] = None,
    base: Annotated[str, typer.Option(help="Base of an adapter, if another than it names: folder or Hub id.")] = "",
    models: Models = MODELS,
    template: Annotated[bool, typer.Option("--template", help="Print a card to fill in, and stop.")] = False,
) -> None:
    """Write the bundle of a regression model that was fine-tuned elsewhere, of an Enformer, or of a PredictDB file."""
    if Path(model).suffix == ENDING:
        card = card or Path(model).with_suffix(".toml")
        command = f"python -m training import {Path(model).name}"
        _announce(import_predictdb(Path(model), read_predictdb_card(card), models, command))
        return
    folder = checkpoint_folder(model)
    command = f"python -m training import {shown_source(model)}"
    if is_enformer(folder):
        enformer = find_enformer(model)
        if template:
            console.out(enformer_template(enformer), highlight=False)
        else:
            _announce(import_enformer(enformer, read_enformer_card(card or folder / "card.toml"), models, command))
        return
    found = find_model(model, base)
    if template:
        console.out(card_template(found), highlight=False)
    else:
        _announce(import_model(found, read_card(card or found.shown / "card.toml"), models, command))


@app.command()
def report(
    configs: ConfigFiles,
    runs: Runs = RUNS,
    data: Data = DATA,
    output: Output = Path("docs/accuracy"),
    threads: Threads = 0,
) -> None:
    """Set the evaluated models of each task side by side, as Markdown and pictures."""
    _device("cpu", threads)
    personal = [_personal_page(read_personal_config(path), runs, output) for path in configs if is_personal(path)]
    read = {config: read_config(config) for config in configs if not is_personal(config)}
    beside = [read_config(path.parent / name) for path, config in read.items() for name in config.evaluation.beside]
    baselines = {config.bundle.name for config in beside if config.baseline is not None}
    more = [section for _, section in personal]
    for page in [*write_report([*read.values()], runs, data, output, baselines, more), *(page for page, _ in personal)]:
        console.print(f"{page}: written")


def main() -> None:
    """Run a command; what can go wrong on purpose, or with a file, is one line on standard error and status 1."""
    try:
        app()
    except (TrainingError, BasecastError) as error:
        _refuse(type(error).__name__, str(error))
    except OSError as error:  # a full disk, a folder that may not be written to
        _refuse(type(error).__name__, ": ".join(map(str, filter(None, (error.filename, error.strerror or error)))))


def _refuse(kind: str, message: str) -> NoReturn:
    # As text: a message names tables in brackets, which would be taken for styles and left out.
    Console(stderr=True).print(Text.assemble((kind, "red"), f": {message}"), soft_wrap=True)
    raise SystemExit(1) from None


def _announce(written: Export) -> None:
    parity = written.manifest.parity.largest_difference
    console.print(f"{written.folder}: written; torch and ONNX Runtime differ by {parity:.1e} standard deviations")


def _announce_8_bits(written: Export) -> None:
    made = written.manifest.quantised
    if made is not None:
        apart = f"{made.largest_difference:.1e} at most, rms {made.rms_difference:.1e}"
        where = f"over {made.compared_rows:,} {made.compared}"
        console.print(f"{written.folder}: written; from fp32 it differs by {apart} standard deviations {where}")


def _steps_of_people(config: Path, runs: Path) -> PeopleSteps | PersonalSteps | None:
    """The steps of a configuration of people; None for one of sequences."""
    if is_of_people(config):
        return PeopleSteps(config, runs, console)
    if not is_personal(config):
        return None
    from training.personal.steps import PersonalSteps  # noqa: PLC0415 - slow to import, and only these models need it

    return PersonalSteps(config, runs, console)


def _personal_page(config: PersonalConfig, runs: Path, output: Path) -> tuple[Path, str]:
    from training.personal.report import read_personal_run, write_personal_page  # noqa: PLC0415 - as above

    return write_personal_page(read_personal_run(config, runs), output)


def _settings(config: Path, fold: int | None, random_weights: bool = False) -> Config:
    settings = with_fold(read_config(config), fold)
    return settings.with_random_weights() if random_weights else settings


def _pipeline(config: Path, runs: Path, fold: int | None, steps: int = 0, random_weights: bool = False) -> Pipeline:
    settings = _settings(config, fold, random_weights)
    folder = run_folder(settings, runs)
    return Pipeline(settings, load_prepared(settings, folder), folder, steps)


def _device(name: str, threads: int) -> torch.device:
    if threads:
        torch.set_num_threads(threads)
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise ConfigError(f"--device {name}: not usable here ({reason}); cpu always is") from None
    return device


def _shown(config: Path) -> str:
    """The configuration's path as a reader of the repository knows it, whatever the working directory."""
    return f"training/configs/{config.name}" if config.parent.name == "configs" else config.name


if __name__ == "__main__":
    main()
