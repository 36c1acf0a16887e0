"""`basecast models`: which bundles there are, what they promise, and whether they keep it."""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median
from typing import Annotated

import typer
from rich.table import Table

from app.bundle import MANIFEST, Manifest, find_bundles, read_bundle, read_manifest
from app.commands.bundles import choose_bundle, models_folder
from app.commands.card import MANY_TARGETS, bases_accepted, estimate, print_card, targets_in_short
from app.commands.options import Device, Models
from app.commands.terminal import messages, results, say
from app.errors import BundleError
from app.segmented_engine import open_graphs
from app.settings import load_settings

models = typer.Typer(no_args_is_help=True, help="List, show and verify bundles.")

COLUMNS = ("name", "version", "task", "organism", "bases", "targets", "test R2", "size")


@models.command("list")
def list_models(folder: Models = None) -> None:
    """List the bundles of a folder; their files are not read, so `verify` may still find fault with them.

    For example:

        basecast models list
        basecast models list --models /srv/basecast/models
    """
    table = Table(*COLUMNS, box=None, header_style="bold")
    broken = []
    for path in find_bundles(models_folder(folder)):
        try:
            table.add_row(*_row(path, read_manifest(path)))
        except BundleError as error:
            broken.append(str(error))
    if table.rows:
        results().print(table)
    for fault in broken:
        say(messages(), f"broken: {fault}", "red")
    if broken:
        raise typer.Exit(1)


@models.command()
def show(
    name: Annotated[str, typer.Argument(help="Name, name@version, or path of a bundle.")],
    folder: Models = None,
    as_json: Annotated[bool, typer.Option("--json", help="The manifest itself.")] = False,
) -> None:
    """Show everything that a bundle's manifest says: targets, input, test figures, limits, provenance, licence.

    For example:

        basecast models show utrseq-decay
        basecast models show utrseq-decay --json | jq .scores
    """
    manifest = read_manifest(choose_bundle(models_folder(folder), name))
    if as_json:
        typer.echo(manifest.to_json(), nl=False)
    else:
        print_card(results(), manifest)


@models.command()
def verify(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME|PATH", help="Which bundles; all without any.")
    ] = None,
    folder: Models = None,
    device: Device = None,
) -> None:
    """Verify bundles: read each file, check its SHA-256, load the graphs, predict the golden examples.

    Prints a line for each bundle; the exit status is 1 if any fails.

    For example:

        basecast models verify
        basecast models verify utrseq-decay runs/latest/bundle --device cuda:0
    """
    settings = load_settings(models=folder, device=device)
    chosen = [choose_bundle(settings.models, name) for name in names or ()] or find_bundles(settings.models)
    verdicts = [_verify(path, settings.device, settings.cpu_allowed) for path in chosen]
    if not all(verdicts):
        raise typer.Exit(1)


def _verify(path: Path, device: str, allow_cpu: bool) -> bool:
    started = time.monotonic()
    try:
        bundle = read_bundle(path)
        graphs = open_graphs(bundle, device, allow_cpu=allow_cpu)
    except BundleError as error:
        say(results(), f"FAILED  {path.name}  {error}", "red")
        return False
    manifest = bundle.manifest
    examples, files = len(manifest.golden.examples), f"{manifest.precision}, {len(manifest.files)} files"
    what = f"{files}, {examples} golden example{'s' * (examples != 1)}"
    where = graphs[0].provider.removesuffix("ExecutionProvider")
    seconds = time.monotonic() - started
    say(results(), f"OK      {manifest.name}@{manifest.version}  {what} on {where}, {seconds:.1f} s", "green")
    return True


def _row(path: Path, manifest: Manifest) -> tuple[str, ...]:
    return (
        manifest.name,
        manifest.version,
        manifest.task,
        manifest.organism,
        bases_accepted(manifest.input),
        targets_in_short(manifest),
        _r2(manifest),
        _size(path, manifest),
    )


def _r2(manifest: Manifest) -> str:
    """The first target's; the median where there are many, of targets or of subsets such as genes."""
    own = (score.metrics.get("r2") for score in manifest.scores if score.model == "this bundle")
    found = [figure for figure in own if figure is not None]
    if len(found) > MANY_TARGETS:
        return f"median {median(figure.value for figure in found):.3f}"
    return estimate(found[0]) if found else "-"


def _size(path: Path, manifest: Manifest) -> str:
    files = [path / name for name in (MANIFEST, *manifest.files)]
    size = sum(file.stat().st_size for file in files if file.is_file())
    return f"{size / 1_000_000:,.1f} MB"
