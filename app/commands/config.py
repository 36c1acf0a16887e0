"""`basecast config`: the settings as the service would read them."""

from __future__ import annotations

import json
import os
import re
from difflib import get_close_matches
from pathlib import Path

import typer

from app.commands.terminal import messages, say
from app.settings import CONFIG_VARIABLE, Settings, load_settings

PREFIX = "BASECAST_"
DATA_VARIABLE = "BASECAST_DATA"  # training and the tests find data sets by it

PASSWORD = re.compile(r"(://[^/@:]*:)[^/]*@")
PASSWORD_IN_QUERY = re.compile(r"([?&]password=)[^&]*")

config = typer.Typer(no_args_is_help=True, help="Look at the settings.")


@config.callback()
def _group() -> None:
    """Look at the settings."""


@config.command()
def check() -> None:
    """Check the settings and print them as TOML, each with where it comes from.

    What is printed can be kept as a file and named in BASECAST_CONFIG; a password of the queue is not printed.
    Settings that contradict each other, or would leave a door open, are refused.

    For example:

        BASECAST_PORT=9000 basecast config check
        BASECAST_CONFIG=basecast.toml basecast config check
    """
    settings = load_settings()
    for name in Settings.model_fields:
        typer.echo(f"{_toml(name, getattr(settings, name)):<36} # {_origin(name, settings)}")
    for variable in sorted(_unknown_variables()):
        say(messages(), f"warning: {variable} is not a setting{_meant(variable)}", "yellow")


def _toml(name: str, value: object) -> str:
    if value is None:
        return f"# {name} is not set"
    shown = str(value) if isinstance(value, Path) else value
    return f"{name} = {json.dumps(_without_password(shown) if isinstance(shown, str) else shown)}"


def _without_password(text: str) -> str:
    """A URL as it may be shown; any other text as it is."""
    return PASSWORD_IN_QUERY.sub(r"\1***", PASSWORD.sub(r"\1***@", text))


def _origin(name: str, settings: Settings) -> str:
    if name not in settings.model_fields_set:
        return "default"
    variable = f"{PREFIX}{name.upper()}"
    in_environment = variable in {found.upper() for found in os.environ}
    return variable if in_environment else f"the file of {CONFIG_VARIABLE}"


def _variables() -> dict[str, str]:
    return {f"{PREFIX}{name.upper()}": name for name in Settings.model_fields}


def _unknown_variables() -> list[str]:
    known = {CONFIG_VARIABLE, DATA_VARIABLE, *_variables()}
    return [found for found in os.environ if found.upper().startswith(PREFIX) and found.upper() not in known]


def _meant(variable: str) -> str:
    near = get_close_matches(variable.upper(), _variables(), n=1)
    return f"; did you mean {near[0]}?" if near else ""
