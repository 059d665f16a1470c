"""`python -m deploy`: plan, apply, status, destroy and warm, of one shape."""

import asyncio
import os
import sys
import traceback
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from deploy.errors import DeployError
from deploy.manifest import Shape
from deploy.secrets import Secrets
from deploy.work import (
    Desk,
    bring_up,
    keep_warm,
    open_desk,
    ping,
    show_plan,
    show_status,
    tear_down,
)

_DEBUG: Final = "PARLEY_DEBUG"
_SMOKE_MINUTES: Final = 30.0
_PING_MINUTES: Final = 4.0


app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["--help", "-h"]},
)

_ShapeArgument = Annotated[Shape, typer.Argument(metavar="single|split|orch")]
_ManifestOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="A manifest instead of the shape's own.")
]
_ShareKey = Annotated[
    bool,
    typer.Option(
        "--share-key",
        metavar=" ",
        help="Give the orchestrator RUNPOD_API_KEY where it has no key of its own.",
    ),
]
_Yes = Annotated[bool, typer.Option("--yes", metavar=" ", help="Do not ask.")]


@app.command("plan")
def plan_command(
    shape: _ShapeArgument, *, manifest: _ManifestOption = None, share_key: _ShareKey = False
) -> None:
    """Show what `apply` would change."""
    _run(shape, manifest, lambda desk: show_plan(desk, share_key=share_key))


@app.command("apply")
def apply_command(  # noqa: PLR0913  one parameter an option
    shape: _ShapeArgument,
    *,
    manifest: _ManifestOption = None,
    share_key: _ShareKey = False,
    yes: _Yes = False,
    no_smoke: Annotated[
        bool, typer.Option("--no-smoke", metavar=" ", help="Do not transcribe the sample.")
    ] = False,
    minutes: Annotated[
        float, typer.Option(metavar="N", help="How long the sample may take.", min=0.1)
    ] = _SMOKE_MINUTES,
) -> None:
    """Build and push images, make the endpoints, transcribe the sample.

    IMAGE_TAG takes published images instead of building them. Run again, it goes on where it was.
    """
    within = None if no_smoke else minutes * 60
    _run(shape, manifest, lambda desk: bring_up(desk, share_key=share_key, yes=yes, within=within))


@app.command("status")
def status_command(shape: _ShapeArgument, *, manifest: _ManifestOption = None) -> None:
    """Show the endpoints and their workers."""
    _run(shape, manifest, show_status)


@app.command("destroy")
def destroy_command(
    shape: _ShapeArgument,
    *,
    manifest: _ManifestOption = None,
    yes: _Yes = False,
    with_volume: Annotated[
        bool,
        typer.Option(
            "--with-volume", metavar=" ", help="Delete the network volume too, with what is on it."
        ),
    ] = False,
) -> None:
    """Delete everything of a shape."""
    _run(shape, manifest, lambda desk: tear_down(desk, yes=yes, with_volume=with_volume))


@app.command("warm")
def warm_command(shape: _ShapeArgument, *, manifest: _ManifestOption = None) -> None:
    """Apply the manifest's active hours now; for cron."""
    _run(shape, manifest, keep_warm)


@app.command("ping")
def ping_command(
    shape: _ShapeArgument,
    *,
    manifest: _ManifestOption = None,
    minutes: Annotated[
        float, typer.Option(metavar="N", help="How long an answer may take.", min=0.1)
    ] = _PING_MINUTES,
) -> None:
    """Give the endpoints a second of silence to transcribe, so that they are awake; for cron."""
    _run(shape, manifest, lambda desk: ping(desk, within=minutes * 60))


def main() -> None:
    """Run the command. A defect ends it with one line; PARLEY_DEBUG=1 shows the traceback."""
    try:
        app()
    except Exception as error:  # noqa: BLE001  the last one who can explain it
        told = f"The deployment met an unexpected {type(error).__name__}. Report it with the "
        told += f"traceback that {_DEBUG}=1 shows.\n"
        if os.environ.get(_DEBUG):
            told = "".join(traceback.format_exception(error)) + told
        sys.stderr.write(Secrets.of_environment(os.environ).hide(told))
        sys.exit(1)


def _run(
    shape: Shape, manifest: Path | None, work: Callable[[Desk], Coroutine[Any, Any, int]]
) -> None:
    """Do one thing, and end with its status."""

    async def done() -> int:
        async with open_desk(shape, manifest, tell=typer.echo) as desk:
            return await work(desk)

    try:
        status = asyncio.run(done())
    except DeployError as error:
        hidden = Secrets.of_environment(os.environ).hide(str(error))
        typer.echo(hidden, err=True)
        status = error.status
    raise typer.Exit(status)
