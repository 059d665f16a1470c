"""`parley warm`: keeps workers running in the hours that a manifest names."""

from pathlib import Path
from typing import Annotated, Literal

import typer


def warm(
    shape: Annotated[
        Literal["single", "split", "orch"], typer.Argument(metavar="single|split|orch")
    ],
    *,
    manifest: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A manifest instead of the shape's own.")
    ] = None,
) -> None:
    """Apply a deployment's active hours now; for any cron."""
    from deploy.command import warm_command  # noqa: PLC0415

    warm_command(shape, manifest=manifest)
