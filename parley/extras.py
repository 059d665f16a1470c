"""Packages that only some subcommands need."""

from importlib.util import find_spec
from typing import Final

import typer

_USAGE: Final = 2


def need(*packages: str) -> None:
    """End the command with one sentence where packages of the extra `plan` are not installed."""
    from parley.session import tell  # noqa: PLC0415

    if missing := [name for name in packages if find_spec(name) is None]:
        tell(f"This needs {', '.join(missing)}: pip install 'parley[plan]'.", style="red")
        raise typer.Exit(_USAGE)
