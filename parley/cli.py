"""The `parley` command: wiring only.

The module of a subcommand imports at its top what its options need, and all else where it works,
so that no subcommand waits for another's packages.
"""

import os
import sys
import traceback
from importlib.metadata import version
from typing import Annotated

import typer

from parley.coldstart import app as coldstart
from parley.config_command import config
from parley.cost import cost
from parley.emulate import emulate
from parley.plan import plan
from parley.transcribe import transcribe
from parley.warm import warm
from parley.weights import app as weights

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["--help", "-h"]},
)
app.command(no_args_is_help=True)(transcribe)
app.command()(config)
app.command(no_args_is_help=True)(emulate)
app.command(no_args_is_help=True)(plan)
app.add_typer(coldstart, name="coldstart")
app.command(no_args_is_help=True)(cost)
app.command(no_args_is_help=True)(warm)
app.add_typer(weights, name="weights")


def _print_version(wanted: bool) -> None:  # noqa: FBT001  typer's callback
    if wanted:
        typer.echo(f"parley {version('parley')}")
        raise typer.Exit


@app.callback()
def _parley(
    *,
    _version: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Show the version and exit.",
            metavar=" ",
            callback=_print_version,
            is_eager=True,
        ),
    ] = False,
) -> None:
    """Who said what, when: recordings to transcripts, on RunPod Serverless.

    [bold]Start[/bold]
      export RUNPOD_API_KEY=...
      parley transcribe talk.mp3 --endpoint ID

    Every command explains itself: parley transcribe --help
    """


def main() -> None:
    """Run the command. A defect ends it with one line; PARLEY_DEBUG=1 shows the traceback."""
    try:
        app()
    except Exception as error:  # noqa: BLE001  the last one who can explain it
        if os.environ.get("PARLEY_DEBUG"):
            traceback.print_exc()
        sys.stderr.write(
            f"parley met an unexpected {type(error).__name__}. Report it with the traceback that "
            "PARLEY_DEBUG=1 shows.\n"
        )
        sys.exit(1)
