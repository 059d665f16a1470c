"""Run a recording through a shape of Parley on this machine: what `make run` does.

Everything is as on RunPod: unmodified SDK workers that start when there is work, and the client
that users have; only the platform is the local one.
"""

import argparse
import asyncio
import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Literal, Self, get_args
from urllib.parse import unquote, urlsplit

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from demo.hub import ENVIRONMENT
from emulator.endpoint import LocalRunPod, local_runpod
from emulator.manifest import SHAPES, read_manifest
from handlers.formats import Format
from parley import AsyncClient, JobOptions, ParleyError, Reply, Step

Shape = Literal["single", "split", "orch"]

SAMPLE: Final = Path(__file__).parent / "sample" / "meeting.flac"
FORMATS: Final[tuple[Format, ...]] = ("srt", "vtt", "rttm", "txt")

_PHASES: Final = {
    "queue": "starting workers",
    "fetch": "fetching audio",
    "decode": "decoding",
    "transcribe": "finding words",
    "diarize": "finding speakers",
    "align": "joining both",
}
_COLOURS: Final = ("cyan", "yellow", "green", "magenta", "blue", "red")
# the local platform serves the file from this machine
_DEVELOPMENT: Final = {"PARLEY_ALLOW_PRIVATE_ADDRESSES": "true"}
_ENVIRONMENTS: Final[dict[str, Mapping[str, str]]] = {
    "demo": {**_DEVELOPMENT, **ENVIRONMENT},
    "real": _DEVELOPMENT,
}


def client_of(shape: Shape, runpod: LocalRunPod) -> AsyncClient:
    """The client of a shape on the local platform."""
    key, base_url = runpod.api_key, runpod.base_url
    if shape == "split":
        return AsyncClient.split(
            transcription="parley-transcription",
            diarization="parley-diarization",
            api_key=key,
            base_url=base_url,
        )
    if shape == "orch":
        return AsyncClient.orch("parley-orchestrator", api_key=key, base_url=base_url)
    return AsyncClient.single("parley-single", api_key=key, base_url=base_url)


async def transcribe(  # noqa: PLR0913 - wiring
    audio: str,
    *,
    shape: Shape,
    environment: Mapping[str, str],
    logs: Path,
    console: Console,
    options: JobOptions,
) -> Reply:
    """Start a shape from zero workers, give it one job, and return the reply.

    Args:
        audio: a file on this machine, or a URL.
        shape: what is started.
        environment: of the workers.
        logs: takes the workers' output.
        console: takes the progress bars.
        options: further fields of the job.

    Raises:
        ParleyError: there is no reply.

    """
    manifest = read_manifest(SHAPES / f"{shape}.toml")
    async with (
        local_runpod(manifest, logs=logs, environment=environment) as runpod,
        client_of(shape, runpod) as client,
    ):
        url = audio if _is_url(audio) else runpod.share(Path(audio))
        with PhaseBars(console) as bars:
            return await client.transcribe(url, progress=bars.show, **options)


class PhaseBars:
    """A bar per phase, that appears with the first news of it."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description:<18}"), BarColumn(), TimeElapsedColumn(), console=console
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        self.show(Step("queue", 0.0))
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, step: Step) -> None:
        """Bring the bar of a phase to where it is."""
        label = _PHASES.get(step.phase)
        if label is None:
            return
        if step.phase not in self._tasks:
            self._tasks[step.phase] = self._progress.add_task(label, total=None)
        # a bar that has not begun to fill runs to and fro
        total = 1.0 if step.done > 0 else None
        self._progress.update(self._tasks[step.phase], total=total, completed=step.done)


def print_transcript(reply: Reply, console: Console) -> None:
    """Who said what, when, one line a segment, one colour a speaker."""
    labels = [speaker.label for speaker in reply.speakers]
    for segment in reply.segments:
        name = segment.speaker
        colour = _COLOURS[labels.index(name) % len(_COLOURS)] if name in labels else "white"
        line = Text(f"{_clock(segment.start)} - {_clock(segment.end)}  ", style="dim")
        line.append(f"{name or '-':<12}", style=f"bold {colour}")
        line.append(segment.text, style="default")
        console.print(line, soft_wrap=True)
    for speaker in reply.speakers:
        console.print(f"{speaker.label}: {speaker.seconds:.1f} s", style="dim")
    for warning in reply.warnings:
        console.print(f"Warning: {warning}", style="yellow")


def write_outputs(reply: Reply, folder: Path, name: str) -> list[Path]:
    """Write the reply as JSON and each rendering beside it; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    facts = reply.body()
    renderings = facts.pop("formats")
    renderings["json"] = json.dumps(facts, indent=2, ensure_ascii=False) + "\n"
    written = []
    for suffix, text in sorted(renderings.items()):
        path = folder / f"{name}.{suffix}"
        path.write_text(text, encoding="utf-8")
        written.append(path)
    return written


def output_name(audio: str) -> str:
    """A file name for the outputs of a recording: the last part of its path without its suffix."""
    path = unquote(urlsplit(audio).path) if _is_url(audio) else audio
    return re.sub(r"[^\w.-]+", "_", Path(path).stem).strip("._") or "audio"


def _is_url(audio: str) -> bool:
    return audio.startswith(("http://", "https://", "data:"))


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds, 1), 60)
    return f"{int(minutes):02d}:{rest:04.1f}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the result is its exit status."""
    parser = argparse.ArgumentParser(prog="make run", description=__doc__)
    parser.add_argument("audio", nargs="?", default=str(SAMPLE), help="a file or a URL")
    parser.add_argument("--shape", choices=get_args(Shape), default="orch")
    parser.add_argument("--models", choices=sorted(_ENVIRONMENTS), default="demo")
    parser.add_argument("--out", type=Path, default=Path("out"))
    parser.add_argument("--no-diarize", action="store_true", help="words alone, no speakers")
    parser.add_argument("--num-speakers", type=int)
    chosen = parser.parse_args(arguments)
    console, errors = Console(highlight=False), Console(stderr=True, highlight=False)
    if not _is_url(chosen.audio) and not Path(chosen.audio).is_file():
        errors.print(f"There is no file {chosen.audio}. Give AUDIO=<file or URL>.", style="red")
        return 2
    name = output_name(chosen.audio)
    options = JobOptions(name=name, formats=FORMATS, diarize=not chosen.no_diarize)
    if chosen.num_speakers is not None:
        options["num_speakers"] = chosen.num_speakers
    logs = chosen.out / "logs"
    work = transcribe(
        chosen.audio,
        shape=chosen.shape,
        environment=_ENVIRONMENTS[chosen.models],
        logs=logs,
        console=errors,
        options=options,
    )
    try:
        reply = asyncio.run(work)
    except ParleyError as failure:
        errors.print(f"{failure} ({failure.code}) The workers' logs are in {logs}.", style="red")
        return 1
    except KeyboardInterrupt:
        return 130
    print_transcript(reply, console)
    for path in write_outputs(reply, chosen.out, name):
        console.print(f"wrote {os.fspath(path)}", style="dim")
    return 0


if __name__ == "__main__":
    sys.exit(main())
