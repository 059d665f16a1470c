"""What the command shows while it works, on standard error: bars, lines, or failures alone."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Final, Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from handlers.progress import Step
from parley.batch import Display, Done, Failed, Outcome, Skipped
from parley.outputs import Recording

_PHASES: Final = {
    "queue": "waiting for a worker",
    "fetch": "fetching audio",
    "decode": "decoding",
    "transcribe": "finding words",
    "diarize": "finding speakers",
    "align": "joining both",
    "format": "writing formats",
}
_ENGINES: Final = {"transcribe": "words", "diarize": "speakers"}
_NAME_WIDTH: Final = 24


class Screen(Display, AbstractContextManager["Screen"], Protocol):
    """A display that is opened before the first recording and closed after the last."""

    def say(self, text: str) -> None:
        """Tell something that concerns no recording."""


class Journey:
    """How far one recording is, by all steps so far."""

    def __init__(self, *, diarize: bool) -> None:
        self._engines = ["transcribe", "diarize"] if diarize else ["transcribe"]
        self._done: dict[str, float] = {}
        self._latest = "queue"

    def take(self, step: Step) -> None:
        self._done[step.phase] = max(step.done, self._done.get(step.phase, 0.0))
        if step.done < 1 or step.phase not in ("queue", *_ENGINES):
            self._latest = step.phase

    @property
    def share(self) -> float:
        """Of the whole, 0 to 1. The slower engine counts, for the other does not wait for it."""
        slower = min(self._done.get(engine, 0.0) for engine in self._engines)
        before = 1.0 if slower else self._done.get("decode", 0.0)
        return 0.1 * before + 0.9 * slower

    @property
    def phase(self) -> str:
        """What it is at, in words."""
        if self._done.get("queue", 1.0) < 1:
            return _PHASES["queue"]
        running = [e for e in self._engines if 0 < self._done.get(e, 0.0) < 1]
        if self._latest in _ENGINES and running:
            return ", ".join(f"{_ENGINES[e]} {self._done[e]:.0%}" for e in running)
        return _PHASES.get(self._latest, self._latest)


class Bars:
    """One bar a recording that is under way, and one for all; what ended becomes a line above."""

    def __init__(self, console: Console, *, total: int, diarize: bool) -> None:
        self._diarize = diarize
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=16),
            TimeElapsedColumn(),
            TextColumn("{task.fields[phase]}", markup=False),
            console=console,
            transient=True,
        )
        self._total = total
        self._all = self._bars.add_task(_fit("all"), total=total, phase="", visible=total > 1)
        self._journeys: dict[Recording, tuple[TaskID, Journey]] = {}
        self._ended = 0

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def begin(self, recording: Recording) -> None:
        task = self._bars.add_task(_fit(recording.name), total=1.0, phase="starting")
        self._journeys[recording] = task, Journey(diarize=self._diarize)

    def step(self, recording: Recording, step: Step) -> None:
        if under_way := self._journeys.get(recording):
            task, journey = under_way
            journey.take(step)
            self._bars.update(task, completed=journey.share, phase=journey.phase)

    def end(self, recording: Recording, outcome: Outcome) -> None:
        task, _ = self._journeys.pop(recording)
        self._bars.remove_task(task)
        self._ended += 1
        self._bars.update(self._all, completed=self._ended, phase=f"{self._ended} of {self._total}")
        self._bars.console.print(_line(recording, outcome))

    def say(self, text: str) -> None:
        self._bars.console.print(Text(text, style="yellow"))


class Lines:
    """A line for each phase that a recording enters: for logs."""

    def __init__(self, console: Console, *, quiet: bool = False) -> None:
        self._console = console
        self._quiet = quiet
        self._entered: dict[Recording, set[str]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass

    def begin(self, recording: Recording) -> None:
        self._entered[recording] = set()

    def step(self, recording: Recording, step: Step) -> None:
        entered = self._entered.get(recording)
        if entered is not None and step.done < 1 and step.phase not in entered:
            entered.add(step.phase)
            phase = _PHASES.get(step.phase, step.phase)
            self._print(Text(f"{recording.shown}: {phase}"))

    def end(self, recording: Recording, outcome: Outcome) -> None:
        del self._entered[recording]
        if not isinstance(outcome, Failed):  # those are listed at the end
            self._print(_line(recording, outcome))

    def say(self, text: str) -> None:
        self._print(Text(text))

    def _print(self, text: Text) -> None:
        if not self._quiet:
            self._console.print(text, soft_wrap=True)


def summarise(
    outcomes: Mapping[Recording, Outcome],
    *,
    total: int,
    console: Console,
    quiet: bool,
    verbose: bool,
) -> None:
    """Say how it went: a table of failures, and how many of what."""
    failures = {r: o for r, o in outcomes.items() if isinstance(o, Failed)}
    if failures and console.is_terminal:
        table = Table("Recording", "Code", "Message", header_style="bold", show_edge=False)
        for recording, failure in failures.items():
            table.add_row(
                Text(recording.shown, overflow="fold"),
                Text(failure.code, style="red", overflow="fold"),
                Text(failure.message),
            )
        console.print(table)
    else:
        for recording, failure in failures.items():
            line = Text(f"{recording.shown}: {failure.code}: {failure.message}")
            console.print(line, soft_wrap=True)
    for failure in failures.values():
        if verbose and failure.trace:
            console.print(Text(failure.trace), soft_wrap=True)
    if not quiet and (total > 1 or failures):
        console.print(Text(_count(outcomes, total)))


def _count(outcomes: Mapping[Recording, Outcome], total: int) -> str:
    kinds = [type(outcome) for outcome in outcomes.values()]
    counts = {
        "done": kinds.count(Done),
        "already there": kinds.count(Skipped),
        "failed": kinds.count(Failed),
        "not finished": total - len(kinds),
    }
    counted = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    costs = [outcome.dollars for outcome in outcomes.values() if isinstance(outcome, Done)]
    known = [cost for cost in costs if cost is not None]
    if not known:
        return counted
    some = "" if len(known) == len(costs) else f" for {len(known)} of them"
    return f"{counted}; about {dollars(sum(known))}{some}, starts and idle workers not counted"


def _line(recording: Recording, outcome: Outcome) -> Text:
    match outcome:
        case Done():
            many = "" if outcome.speakers == 1 else "s"
            facts = f"{_clock(outcome.audio_seconds)} of audio, {outcome.speakers} speaker{many}"
            cost = "" if outcome.dollars is None else f", about {dollars(outcome.dollars)}"
            line = Text.assemble(
                ("done     ", "green"),
                f"{recording.shown}: {facts}, in {_clock(outcome.seconds)}{cost}: ",
                ", ".join(outcome.files),
            )
            for warning in outcome.warnings:
                line.append(f"\n         {warning}", style="yellow")
        case Skipped():
            line = Text.assemble(
                ("skipped  ", "cyan"),
                f"{recording.shown}: its outputs are there (--overwrite makes them anew)",
            )
        case Failed():
            line = Text.assemble(("failed   ", "red"), f"{recording.shown}: {outcome.code}")
    return line


def dollars(amount: float) -> str:
    """Money with as many digits as tell something: a job costs parts of a cent."""
    return f"${amount:.2f}" if amount >= 1 or not amount else f"${amount:.2g}"


def _fit(name: str) -> str:
    """A name in a column of one width."""
    short = name if len(name) <= _NAME_WIDTH else f"{name[: _NAME_WIDTH - 1]}…"
    return f"{short:<{_NAME_WIDTH}}"


def _clock(seconds: float) -> str:
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"
