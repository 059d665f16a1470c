"""The file of an experiment: one JSON object a line, each written at once and kept.

    {"experiment": {...}}      first
    {"begun": {...}}           before a job is submitted, and again once it has an id
    {"run": {...}}             when it has ended

A line is one write that reaches the disk before the next thing happens. Where a machine stops in
the middle of one, the file ends without its newline: such an end is cut off when the file is
opened again, and whatever it was to say is a run half done.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ValidationError

from planner.coldstart.runs import FORMAT, Begun, Experiment, Run, Runs
from planner.errors import RunsFileInvalid, RunsFileOther, RunsFileUnusable

_MOST_BYTES: Final = 64 * 2**20
_MOST_RUNS: Final = 2000
_HEAD: Final = json.dumps({"experiment": {"format": FORMAT}}).encode().rstrip(b"}")
"""With which every file begins."""
_NAMELESS: Final = "it names no experiment"
_KINDS: Final[dict[str, type[BaseModel]]] = {"experiment": Experiment, "begun": Begun, "run": Run}


class RunsFile:
    """An open file, locked, to which runs are added.

    Attributes:
        path: where it is.
        runs: what it holds, with what was added.

    """

    def __init__(self, path: Path, *, descriptor: int, runs: Runs) -> None:
        self.path = path
        self.runs = runs
        self._descriptor = descriptor

    def begin(self, begun: Begun) -> None:
        """Note that a run begins, or that its job has an id now.

        Raises:
            RunsFileUnusable: it cannot be written.

        """
        self._append("begun", begun)

    def end(self, run: Run) -> None:
        """Note what came of a run.

        Raises:
            RunsFileUnusable: it cannot be written.

        """
        self._append("run", run)
        half_done = [begun for begun in self.runs.half_done if begun.number != run.number]
        self.runs = Runs(
            experiment=self.runs.experiment, runs=[*self.runs.runs, run], half_done=half_done
        )

    def _append(self, name: str, value: BaseModel) -> None:
        try:
            _write(self._descriptor, {name: value.model_dump(mode="json", exclude_defaults=True)})
        except OSError as error:
            raise RunsFileUnusable(str(self.path), reason=_reason(error)) from error


@contextmanager
def opened(path: Path, experiment: Experiment) -> Iterator[RunsFile]:
    """Open the file of an experiment, or begin one.

    Raises:
        RunsFileInvalid: it holds something else than runs.
        RunsFileOther: it holds runs of another experiment.
        RunsFileUnusable: it cannot be read or written, or another process adds to it.

    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise RunsFileUnusable(str(path), reason=_reason(error)) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunsFileUnusable(str(path), reason="another process adds to it") from None
        yield RunsFile(path, descriptor=descriptor, runs=_resumed(path, descriptor, experiment))
    finally:
        os.close(descriptor)


def read(path: Path) -> Runs:
    """Read the file of an experiment.

    Raises:
        RunsFileInvalid: it holds something else than runs.
        RunsFileUnusable: it cannot be read.

    """
    runs, _ = _parsed(path, _content(path))
    if runs is None:
        raise RunsFileInvalid(str(path), line=1, reason=_NAMELESS)
    return runs


def _resumed(path: Path, descriptor: int, experiment: Experiment) -> Runs:
    content = _content(path)
    runs, whole = _parsed(path, content)
    if runs is None and not (content.startswith(_HEAD) or _HEAD.startswith(content)):
        # somebody else's: nothing of it may be cut off
        raise RunsFileInvalid(str(path), line=1, reason=_NAMELESS)
    if runs and (different := runs.experiment.differs(experiment)):
        raise RunsFileOther(str(path), fields=different)
    try:
        os.ftruncate(descriptor, whole)
        if runs is None:
            told = experiment.model_dump(mode="json", exclude_defaults=True)
            # a file says what it is, whatever the defaults are one day
            _write(descriptor, {"experiment": {"format": experiment.format, **told}})
    except OSError as error:
        raise RunsFileUnusable(str(path), reason=_reason(error)) from error
    return runs or Runs(experiment=experiment, runs=[])


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise RunsFileUnusable(str(path), reason=_reason(error)) from error
    if len(content) > _MOST_BYTES:
        raise RunsFileUnusable(str(path), reason=f"it has more than {_MOST_BYTES} bytes")
    return content


def _parsed(path: Path, content: bytes) -> tuple[Runs | None, int]:
    """What the file holds, and how many of its bytes are whole lines."""
    whole = content.rfind(b"\n") + 1
    experiment: Experiment | None = None
    runs: dict[int, Run] = {}
    begun: dict[int, Begun] = {}
    for line, text in enumerate(content[:whole].splitlines(), start=1):
        if not text.strip():
            continue
        value = _value(path, line, text)
        if (experiment is None) != isinstance(value, Experiment):
            reason = "the experiment is named first, and once"
            raise RunsFileInvalid(str(path), line=line, reason=reason)
        if isinstance(value, Experiment):
            experiment = value
        elif isinstance(value, Begun):
            begun[value.number] = value
        elif isinstance(value, Run):
            if value.number in runs or len(runs) >= _MOST_RUNS:
                reason = f"run {value.number} is there already, or one too many"
                raise RunsFileInvalid(str(path), line=line, reason=reason)
            runs[value.number] = value
    if experiment is None:
        return None, whole
    half_done = [one for number, one in begun.items() if number not in runs]
    return Runs(experiment=experiment, runs=list(runs.values()), half_done=half_done), whole


def _value(path: Path, line: int, text: bytes) -> BaseModel:
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError):
        raise RunsFileInvalid(str(path), line=line, reason="it is no JSON") from None
    kind = next(iter(raw), None) if isinstance(raw, dict) and len(raw) == 1 else None
    if kind not in _KINDS:
        reason = f"it is none of {', '.join(_KINDS)}"
        raise RunsFileInvalid(str(path), line=line, reason=reason)
    try:
        return _KINDS[kind].model_validate(raw[kind])
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in (kind, *first["loc"]))
        reason = f"{where} is wrong: {first['msg'].removeprefix('Value error, ')}"
        raise RunsFileInvalid(str(path), line=line, reason=reason) from None


def _write(descriptor: int, value: object) -> None:
    line = json.dumps(value, allow_nan=False).encode() + b"\n"
    if os.write(descriptor, line) != len(line):
        raise OSError(None, "the disk took a part of a line alone")
    os.fsync(descriptor)


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__
