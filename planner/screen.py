"""Where tables are written."""

from typing import Final

from rich.console import Console

WIDTH: Final = 120
"""Characters of the widest table."""


def console(*, stderr: bool = False) -> Console:
    """A console that is wide enough for the tables where no terminal says how wide it is."""
    made = Console(stderr=stderr, highlight=False)
    return made if made.is_terminal else Console(stderr=stderr, highlight=False, width=WIDTH)
