"""`parley config`."""

from pathlib import Path
from typing import Annotated

import typer


def config(
    *,
    path: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="Configuration file to read.")
    ] = None,
    profile: Annotated[
        str | None, typer.Option(metavar="NAME", help="Profile in the configuration file.")
    ] = None,
) -> None:
    r"""Show what is configured, and where each value comes from.

    Flags go before environment variables, these before the configuration file.

    [bold]A configuration file[/bold]
      endpoint = "abc123"
      formats = ["srt", "json"]
      \[profiles.studio]
      transcription_endpoint = "def456"
      diarization_endpoint = "ghi789"
    """
    from rich.console import Console  # noqa: PLC0415  what is heavy loads when it is needed
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    from parley.choices import KEYS, shown  # noqa: PLC0415
    from parley.config import VARIABLES, load  # noqa: PLC0415
    from parley.session import refusing, tell  # noqa: PLC0415

    with refusing():
        chosen, file = load({}, path=path, profile=profile)
        shape = chosen.shape
    if file.exposed:
        tell(file.exposed, style="yellow")
    table = Table("Key", "Value", "From", header_style="bold", show_edge=False)
    for key in KEYS:
        value, origin = chosen[key], chosen.origin(key)
        if key == "shape" and shape != value:
            value, origin = shape, "the endpoints"
        elif value is None and key in VARIABLES:
            origin = f"nobody; set {VARIABLES[key]}"
        table.add_row(key, Text(shown(value)), Text(origin or "", overflow="fold"))
    console = Console(highlight=False)
    console.print(table)
    there = "" if file.path.exists() else " (not there)"
    console.print(Text(f"\nConfiguration file: {file.path}{there}"), soft_wrap=True)
