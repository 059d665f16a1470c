"""One run of the command: a client, a display, a batch, and the signals that end it early."""

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from dataclasses import dataclass
from typing import cast

import typer
from rich.console import Console
from rich.text import Text

from handlers.errors import ParleyError
from handlers.settings import SettingsError
from parley.batch import Batch, Exit, Request, Transcribes, exit_status
from parley.choices import ConfigError
from parley.config import Target
from parley.display import Bars, Lines, Screen, summarise
from parley.outputs import OutputRefused, Recording, Store

Connect = Callable[[Target], AbstractAsyncContextManager[Transcribes]]
"""Makes a client of endpoints."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What is to be done."""

    target: Target
    recordings: Sequence[Recording]
    request: Request
    store: Store


def connect(target: Target) -> AbstractAsyncContextManager[Transcribes]:
    """Make the client of a shape.

    Raises:
        EndpointNotConfigured: there is no key.
        SettingsError: the environment holds what cannot be.

    """
    from orchestrator.client import AsyncClient  # noqa: PLC0415

    key, url = target.api_key, target.base_url
    if target.shape == "split":
        words, speakers = target.endpoints
        client = AsyncClient.split(
            transcription=words, diarization=speakers, api_key=key, base_url=url
        )
    else:
        make = AsyncClient.orch if target.shape == "orch" else AsyncClient.single
        client = make(target.endpoints[0], api_key=key, base_url=url)
    return cast("AbstractAsyncContextManager[Transcribes]", client)  # its options are narrower


def carry_out(work: Work, *, quiet: bool, verbose: bool, connect: Connect = connect) -> int:
    """Transcribe, show how it goes and how it went; returns the exit status."""
    console = _stderr()
    total = len(work.recordings)
    screen: Screen
    if quiet or not console.is_terminal:
        screen = Lines(console, quiet=quiet)
    else:
        screen = Bars(
            console, total=total, diarize=work.request.options.get("diarize", True) is True
        )
    with refusing():
        client = connect(work.target)
    with screen:
        batch = Batch(store=work.store, display=screen)
        caught = asyncio.run(until_interrupted(_run(batch, client, work), say=screen.say))
    summarise(batch.outcomes, total=total, console=console, quiet=quiet, verbose=verbose)
    if caught is not None:
        return 128 + caught
    return exit_status(list(batch.outcomes.values()))


async def _run(batch: Batch, client: AbstractAsyncContextManager[Transcribes], work: Work) -> None:
    async with client as opened:
        await batch.run(work.recordings, work.request, client=opened)


async def until_interrupted(
    work: Coroutine[None, None, None], *, say: Callable[[str], None]
) -> signal.Signals | None:
    """Do the work; the first SIGINT or SIGTERM cancels it, and is returned.

    A second one ends the process as if nobody listened.
    """
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(work)
    caught: list[signal.Signals] = []

    def stop(number: signal.Signals) -> None:
        caught.append(number)
        for listened in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(listened)
        say("Interrupted: cancelling the jobs under way. What is done is kept.")
        task.cancel()

    with suppress(NotImplementedError):  # Windows: an interrupt cancels as asyncio does it
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop, number)
    try:
        await task
    except asyncio.CancelledError:
        if not caught:
            raise
    return caught[0] if caught else None


@contextmanager
def refusing() -> Iterator[None]:
    """Turn what cannot be into one sentence and the exit status for it."""
    try:
        yield
    except (ConfigError, OutputRefused, ParleyError, SettingsError) as error:
        tell(str(error), style="red")
        raise typer.Exit(Exit.USAGE) from None


def tell(text: str, *, style: str) -> None:
    """Say something on standard error."""
    _stderr().print(Text(text, style=style), soft_wrap=True)


def _stderr() -> Console:
    return Console(stderr=True, highlight=False)
