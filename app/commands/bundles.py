"""Which bundles a command means."""

from __future__ import annotations

from pathlib import Path

from app.bundle import MANIFEST, find_bundles, read_manifest
from app.errors import BundleError
from app.settings import load_settings


def models_folder(option: Path | None) -> Path:
    """The folder given with `--models`, else the settings'."""
    return load_settings(models=option).models


def choose_bundle(models: Path, name: str | None) -> Path:
    """The bundle that is meant: a name, `name@version`, a path, or the only one in the folder.

    Raises:
        BundleError: there is none, or there are several and no name was given.
    """
    if name is not None and (Path(name) / MANIFEST).is_file():
        return Path(name)
    named = {path: _names(path) for path in find_bundles(models)}
    available = ", ".join(names[0] for names in named.values())
    if name is None and len(named) > 1:
        raise BundleError(f"several models in {models}; choose one with --model: {available}")
    for path, names in named.items():
        if name is None or name in names:
            return path
    raise BundleError(f"no model of that name or version in {models}; there is {available}")


def _names(path: Path) -> tuple[str, ...]:
    """What a bundle answers to; a broken one to its folder's name, so that it can be named and its fault told."""
    try:
        manifest = read_manifest(path)
    except BundleError:
        return (path.name,)
    return manifest.name, f"{manifest.name}@{manifest.version}", path.name
