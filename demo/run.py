"""Run a recording through the single endpoint on this machine: what `make run` does.

The endpoint's worker runs as on RunPod, an unmodified SDK worker that takes its job from a
platform; here the platform is the local one.
"""

import argparse
import asyncio
import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import unquote, urlsplit

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from demo.hub import ENVIRONMENT
from emulator.endpoint import WorkerEnded, local_endpoint
from emulator.jobs import Job, State

SAMPLE: Final = Path(__file__).parent / "sample" / "meeting.flac"
FORMATS: Final = ("srt", "vtt", "rttm", "txt")

_ENTRY_POINT: Final = "handlers.single"
_PHASES: Final = {
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


class JobFailed(RuntimeError):
    """The endpoint answered with an error; the message is the endpoint's."""


async def transcribe(
    audio: str, *, models: str, log: Path, console: Console, options: Mapping[str, object]
) -> dict[str, Any]:
    """Start a worker of the single endpoint, give it one job, and return the reply.

    Args:
        audio: a file on this machine, or a URL.
        models: `demo` or `real`.
        log: takes the worker's output.
        console: takes the progress bars.
        options: further fields of the job.

    Raises:
        JobFailed: the endpoint refused the job.
        WorkerEnded: its worker ended before it answered.

    """
    async with local_endpoint(_ENTRY_POINT, environment=_ENVIRONMENTS[models], log=log) as endpoint:
        url = audio if _is_url(audio) else endpoint.share(Path(audio))
        job = await endpoint.submit(audio_url=url, **options)
        with PhaseBars(console) as bars:
            async for update in endpoint.updates(job):
                bars.show(update)
    if job.state is not State.COMPLETED:
        raise JobFailed(_reason(job))
    reply: dict[str, Any] = job.output
    return reply


def _reason(job: Job) -> str:
    try:
        failure = json.loads(job.error or "")
        return f"{failure['message']} ({failure['code']})"
    except (ValueError, TypeError, KeyError):
        return f"The job is {job.state}: {job.error}"


class PhaseBars:
    """A bar per phase, that appears with the first news of it."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description:<18}"), BarColumn(), TimeElapsedColumn(), console=console
        )
        self._tasks: dict[str, TaskID] = {}
        self._starting = self._progress.add_task("starting worker", total=None)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, job: Job) -> None:
        """Bring the bars to where the job is."""
        if job.state is State.IN_QUEUE:
            return
        self._finish(self._starting)
        output = job.output if isinstance(job.output, dict) else {}
        for phase, done in output.get("progress", {}).items():
            if phase not in self._tasks:
                label = _PHASES.get(phase, phase)
                self._tasks[phase] = self._progress.add_task(label, total=1.0)
            self._progress.update(self._tasks[phase], completed=done)
        if job.state is State.COMPLETED:
            for task in self._tasks.values():
                self._finish(task)

    def _finish(self, task: TaskID) -> None:
        self._progress.update(task, total=1.0, completed=1.0)


def print_transcript(reply: Mapping[str, Any], console: Console) -> None:
    """Who said what, when, one line a segment, one colour a speaker."""
    labels = [speaker["label"] for speaker in reply["speakers"]]
    for segment in reply["segments"]:
        speaker = segment["speaker"]
        colour = _COLOURS[labels.index(speaker) % len(_COLOURS)] if speaker in labels else "white"
        line = Text(f"{_clock(segment['start'])} - {_clock(segment['end'])}  ", style="dim")
        line.append(f"{speaker or '-':<12}", style=f"bold {colour}")
        line.append(segment["text"], style="default")
        console.print(line, soft_wrap=True)
    for speaker in reply["speakers"]:
        console.print(f"{speaker['label']}: {speaker['seconds']:.1f} s", style="dim")
    for warning in reply["warnings"]:
        console.print(f"Warning: {warning}", style="yellow")


def write_outputs(reply: Mapping[str, Any], folder: Path, name: str) -> list[Path]:
    """Write the reply as JSON and each rendering beside it; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    renderings = dict(reply["formats"])
    facts = {key: value for key, value in reply.items() if key != "formats"}
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
    options: dict[str, object] = {
        "name": name,
        "formats": list(FORMATS),
        "diarize": not chosen.no_diarize,
    }
    if chosen.num_speakers is not None:
        options["num_speakers"] = chosen.num_speakers
    log = chosen.out / "worker.log"
    try:
        reply = asyncio.run(
            transcribe(chosen.audio, models=chosen.models, log=log, console=errors, options=options)
        )
    except (JobFailed, WorkerEnded) as failure:
        errors.print(str(failure), style="red")
        return 1
    except KeyboardInterrupt:
        return 130
    print_transcript(reply, console)
    for path in write_outputs(reply, chosen.out, name):
        console.print(f"wrote {os.fspath(path)}", style="dim")
    return 0


if __name__ == "__main__":
    sys.exit(main())
