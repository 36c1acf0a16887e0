"""Environment variables that begin as settings do: which are none, and what was meant."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches

PREFIX = "BASECAST_"
CONFIG_VARIABLE = "BASECAST_CONFIG"
# Training and the tests find data sets by the one; `basecast predict --url` shows the key in the other.
OTHER_VARIABLES = (CONFIG_VARIABLE, "BASECAST_DATA", "BASECAST_API_KEY")


def unknown_variables(found: Iterable[str], settings: Collection[str]) -> list[str]:
    """Those that look like a setting and are none.

    Args:
        found: names of variables.
        settings: the names that settings have in a file, such as `port`.
    """
    known = {*OTHER_VARIABLES, *map(variable_of, settings)}
    return sorted(name for name in found if name.upper().startswith(PREFIX) and name.upper() not in known)


def variable_of(setting: str) -> str:
    """The variable of a setting."""
    return f"{PREFIX}{setting.upper()}"


def not_a_setting(name: str, settings: Collection[str]) -> str:
    """One line about a name, of a variable or in a file, that means nothing, with the nearest that does."""
    is_variable = name.upper().startswith(PREFIX)
    bare = name.upper().removeprefix(PREFIX).lower()
    near = [variable_of(it) if is_variable else it for it in get_close_matches(bare, settings, n=1)]
    return f"{name} is not a setting" + "".join(f"; did you mean {it}?" for it in near)
