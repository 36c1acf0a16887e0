"""`basecast config`: the settings as the service would read them."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import typer

from app.access.key_ring import KeyRing
from app.commands.terminal import messages, say
from app.settings import Settings, is_loopback, load_settings
from app.variables import CONFIG_VARIABLE, variable_of

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
    Settings that contradict each other or would let in whoever knocks, and a file of keys that others may read, are
    refused.

    For example:

        BASECAST_PORT=9000 basecast config check
        BASECAST_CONFIG=basecast.toml basecast config check
    """
    settings = load_settings()
    if settings.api_keys_file is not None:
        KeyRing(settings.api_keys_file)
    for name in Settings.model_fields:
        typer.echo(f"{_toml(name, getattr(settings, name)):<36} # {_origin(name, settings)}")
    for warning in _exposed(settings):
        say(messages(), f"warning: {warning}", "yellow")


def _exposed(settings: Settings) -> list[str]:
    """What others reach without a key; allowed, but better known."""
    if is_loopback(settings.host):
        return []
    warnings = []
    if settings.allow_anonymous:
        warnings.append(f"whoever reaches host {settings.host} is served; set api_keys_file to ask for keys")
    if settings.metrics_port is not None:
        warnings.append(
            f"/metrics on port {settings.metrics_port} asks nobody for a key; keep others out by a firewall"
        )
    return warnings


def _toml(name: str, value: object) -> str:
    if value is None:
        return f"# {name} is not set"
    if isinstance(value, dict):
        entries = ", ".join(f"{json.dumps(key)} = {json.dumps(list(paths))}" for key, paths in value.items())
        return f"{name} = {{{entries}}}"
    shown = str(value) if isinstance(value, Path) else value
    return f"{name} = {json.dumps(_without_password(shown) if isinstance(shown, str) else shown)}"


def _without_password(text: str) -> str:
    """A URL as it may be shown; any other text as it is."""
    return PASSWORD_IN_QUERY.sub(r"\1***", PASSWORD.sub(r"\1***@", text))


def _origin(name: str, settings: Settings) -> str:
    if name not in settings.model_fields_set:
        return "default"
    variable = variable_of(name)
    in_environment = variable in {found.upper() for found in os.environ}
    return variable if in_environment else f"the file of {CONFIG_VARIABLE}"
