"""`basecast models tune`: which settings serve a bundle best on this device."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from app.bundle import read_bundle
from app.commands.bundles import choose_bundle
from app.commands.options import Device, Models, Quiet
from app.commands.terminal import messages, results, say
from app.comparison import Comparison, Rate, settings_of
from app.settings import load_settings
from app.trials import Progress as Report
from app.trials import set_up, tried
from app.variables import variable_of

COLUMNS = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())


def tune(
    name: Annotated[str, typer.Argument(metavar="NAME|PATH", help="Name, name@version, or path of a bundle.")],
    folder: Models = None,
    device: Device = None,
    seconds: Annotated[
        float, typer.Option(min=0.1, max=3600, help="How long to measure; a slow model may take longer.")
    ] = 30.0,
    as_json: Annotated[bool, typer.Option("--json", help="All figures, for programs.")] = False,
    quiet: Quiet = False,
) -> None:
    """Measure which settings serve a bundle best on this device, and print them as lines of the configuration.

    Candidates are measured in turns. One is recommended only where it beats what is served without the setting by more
    than both differ between their own rounds, and by 5 % at least. The settings hold for all bundles of a process.

    For example:

        basecast models tune utrseq-decay
        basecast models tune utrseq-decay --seconds 120 --device cuda:0
        basecast models tune utrseq-decay --json | jq .settings
    """
    settings = load_settings(models=folder, device=device)
    bundle = read_bundle(choose_bundle(settings.models, name))
    with _progress(messages(), quiet=quiet) as report:
        bench = set_up(bundle, settings.device, settings.cpu_allowed)
        comparisons = list(tried(bench, seconds, report))
    told = settings_of(comparisons)
    if as_json:
        typer.echo(json.dumps(_document(bundle.manifest.versioned_name, bench.graph.provider, comparisons, told)))
        return
    console = results()
    for comparison in comparisons:
        console.print(_table(comparison))
        say(console, _verdict(comparison))
        console.print()
    _print_settings(console, told)


def _table(comparison: Comparison) -> Table:
    table = Table("", "rows/s", "spread", "rounds", title=comparison.title, title_justify="left", box=None)
    for label, rate in comparison.rates.items():
        style = "bold" if label == comparison.chosen.label else ""
        table.add_row(label, *_figures(rate), style=style)
    return table


def _figures(rate: Rate) -> tuple[str, str, str]:
    return f"{rate.per_second:,.4g}", f"{rate.spread:.0%}", str(rate.rounds)


def _verdict(comparison: Comparison) -> str:
    if comparison.doubt:
        return f"nothing can be said: {comparison.doubt}"
    if comparison.chosen == comparison.usual:
        return f"nothing is clearly better than the default: {comparison.usual.label}"
    return f"better than {comparison.usual.label}: {comparison.chosen.label}"


def _print_settings(console: Console, told: Mapping[str, float]) -> None:
    if not told:
        say(console, "Leave the settings as they are.")
        return
    say(
        console,
        "# for the file that BASECAST_CONFIG names; or in the environment, " + ", ".join(map(variable_of, told)),
    )
    for name, value in told.items():
        say(console, f"{name} = {json.dumps(value)}")


def _document(
    bundle: str, provider: str, comparisons: Sequence[Comparison], told: Mapping[str, float]
) -> dict[str, object]:
    return {
        "bundle": bundle,
        "provider": provider,
        "settings": told,
        "comparisons": [
            {
                "title": it.title,
                "usual": it.usual.label,
                "chosen": it.chosen.label,
                "doubt": it.doubt or None,
                "candidates": {label: asdict(rate) for label, rate in it.rates.items()},
            }
            for it in comparisons
        ],
    }


@contextmanager
def _progress(console: Console, *, quiet: bool) -> Iterator[Report]:
    """Shows on a terminal what is tried, and how far it is."""
    with Progress(*COLUMNS, console=console, disable=quiet or not console.is_terminal, transient=True) as bar:
        task = bar.add_task("opening", total=1.0)
        yield lambda title, share: bar.update(task, description=title, completed=share)
