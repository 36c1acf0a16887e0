"""`basecast keys`: make, list and revoke API keys; a running service notices within a second."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, get_args

import typer
from pydantic import ValidationError
from rich.table import Table

from app.access.key_file import read_keys, write_keys
from app.access.keys import ApiKey, Scope, new_key
from app.commands.terminal import messages, results, say
from app.errors import KeyFileError, SettingsError
from app.settings import load_settings

keys = typer.Typer(no_args_is_help=True, help="Make, list and revoke API keys.")

COLUMNS = ("id", "client", "scopes", "requests/min", "sequences/min", "expires")

File = Annotated[Path | None, typer.Option("--file", help="The file of keys.  [default: the setting api_keys_file]")]
Client = Annotated[str, typer.Option(help="Whose key it is; shown in lists.")]
Scopes = Annotated[list[str], typer.Option("--scope", help=f"What it opens: {' or '.join(get_args(Scope))}; repeat.")]
Days = Annotated[int | None, typer.Option(min=1, max=36_500, help="Days until it expires.  [default: never]")]
PerMinute = Annotated[int | None, typer.Option(min=1, help="Its share in a minute.  [default: no limit]")]


@keys.command()
def create(
    client: Client,
    scope: Scopes,
    expires_days: Days = None,
    requests_per_minute: PerMinute = None,
    sequences_per_minute: PerMinute = None,
    file: File = None,
) -> None:
    """Make a key, print it this once, and add its SHA-256 to the file.

    A client can have two live keys: make the new one, change over, revoke the old one.

    For example:

        basecast keys create --client lab-7 --scope predict --file keys.toml
        basecast keys create --client lab-7 --scope predict --scope individual --expires-days 90 --requests-per-minute 600
    """  # noqa: E501 - a command to copy
    path = _path(file)
    kept = read_keys(path) if path.exists() else ()
    text, key_id, sha256 = new_key()
    now = datetime.now(UTC).replace(microsecond=0)
    try:
        key = ApiKey(
            id=key_id,
            client=client,
            sha256=sha256,
            scopes=frozenset(scope),  # type: ignore[arg-type]  # pydantic checks them
            expires=None if expires_days is None else now + timedelta(days=expires_days),
            requests_per_minute=requests_per_minute,
            sequences_per_minute=sequences_per_minute,
        )
    except ValidationError as error:
        fault = error.errors()[0]
        raise typer.BadParameter(f"{fault['loc'][0]}: {fault['msg']}") from None
    write_keys(path, (*kept, key))
    typer.echo(text)
    say(messages(), f"key {key_id} of {client} added to {path}; it is not shown again")


@keys.command("list")
def list_keys(file: File = None) -> None:
    """List the keys of the file: whose they are and what they open, never what they are.

    For example:

        basecast keys list --file keys.toml
    """
    table = Table(*COLUMNS, box=None, header_style="bold")
    now = datetime.now(UTC)
    for key in read_keys(_path(file)):
        table.add_row(*_row(key, now))
    results().print(table)


@keys.command()
def revoke(key_id: Annotated[str, typer.Argument(metavar="ID", help="As `list` shows it.")], file: File = None) -> None:
    """Take a key out of the file.

    For example:

        basecast keys revoke 4fGh81Xz --file keys.toml
    """
    path = _path(file)
    known = read_keys(path)
    kept = [key for key in known if key.id != key_id]
    if len(kept) == len(known):
        raise KeyFileError(f"{path} has no key of that id; `basecast keys list` shows them")
    write_keys(path, kept)
    say(messages(), f"key {key_id} revoked")


def _path(file: Path | None) -> Path:
    path = file or load_settings().api_keys_file
    if path is None:
        raise SettingsError("name the file of keys with --file, or set api_keys_file")
    return path


def _row(key: ApiKey, now: datetime) -> tuple[str, ...]:
    shares = [str(share or "") for share in (key.requests_per_minute, key.sequences_per_minute)]
    expires = "never" if key.expires is None else key.expires.date().isoformat()
    return key.id, key.client, ", ".join(sorted(key.scopes)), *shares, expires if key.is_live(now) else "expired"
