"""Where the seconds of one cold start went: parts that add up to the whole.

What the platform says (`delayTime`, `executionTime`) bounds what the reply says of its worker's
start (`cold_start`, see `handlers.cold_start`), and what is left of the caller's own clock is a
part of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

DEFINITIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "wait": "until a worker took the job, where no reply says what that was spent on",
        "queue": "until the process of the worker began: a place for it, its image, its container",
        "start": "of the process: the interpreter, imports, and what is no other part",
        "weights": "finding the weights of the models, or fetching them",
        "load": "building the models, moving them to their device, warming them up",
        "engines": "behind an orchestrator: the start of the slower endpoint's worker",
        "first_result": "the worker's work on the job",
        "lost": "with workers that took the job and vanished",
        "network": "submitting, asking, answering: what is neither waiting nor working",
    }
)
"""In the order in which they happen."""
REST: Final = "rest"
"""What the parts of a run that was written elsewhere leave of its whole."""

MOST_SECONDS: Final = 1e7
"""That anything may take; what is longer nobody measured."""
_TOLERANCE: Final = 0.5
"""Seconds by which a process may seem older than its job, which two clocks take."""
_WEIGHTS: Final = ("found", "weights", "download", "fetch")
_LOAD: Final = ("built", "moved", "warmed", "load")
_BRANCHES: Final = ("transcribe", "diarize")


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What a reply says of its worker's start.

    Attributes:
        seconds: from the start of the process until ready.
        phases: seconds of each, by name; those of two engines may have run at the same time.

    """

    seconds: float
    phases: Mapping[str, float]

    @classmethod
    def read(cls, output: object) -> "Start | None":
        """Read it out of an output, whatever that is; None where it says nothing of it."""
        told = output.get("cold_start") if isinstance(output, Mapping) else None
        seconds = _number(told.get("seconds")) if isinstance(told, Mapping) else None
        if not isinstance(told, Mapping) or seconds is None:
            return None
        phases = told.get("phases")
        known = phases if isinstance(phases, Mapping) else {}
        read = {str(name): _number(value) for name, value in known.items()}
        return cls(seconds=seconds, phases={n: s for n, s in read.items() if s is not None})

    def parts(self) -> dict[str, float]:
        """Split into `start`, `weights` and `load`, which add up to `seconds`.

        Engines load at the same time; the one that took longest says what the time went to.
        """
        engines: dict[str, dict[str, float]] = {}
        for name, seconds in self.phases.items():
            engine, _, step = name.partition(" ")
            kind = _kind(step or engine)
            if kind:
                chain = engines.setdefault(engine if step else "", {"weights": 0.0, "load": 0.0})
                chain[kind] += seconds
        slowest = max(engines.values(), key=lambda chain: sum(chain.values()), default={})
        known = sum(slowest.values())
        share = min(1.0, self.seconds / known) if known else 1.0
        parts = {name: seconds * share for name, seconds in slowest.items()}
        return {"start": max(0.0, self.seconds - sum(parts.values())), **parts}


def was_cold(*, start: Start | None, delay: float, retries: int, tells: bool) -> bool | None:
    """Tell whether a worker was started for the job that it did first.

    Args:
        start: what its reply says.
        delay: seconds until it took the job, as the platform says.
        retries: how often the job was given to another worker.
        tells: whether workers of this kind tell of their start with their first reply.

    Returns:
        None where nobody can tell.

    """
    if start is None:
        return False if tells else None
    return bool(retries) or start.seconds <= delay + _TOLERANCE


def engines_were_warm(output: object) -> bool:
    """Whether an orchestrator's reply tells of an engine's worker that was there before."""
    return any(start is None for _, _, start in _branches(output))


def split(
    *, wall: float, delay: float, execution: float, retries: int, output: object
) -> tuple[float, dict[str, float]]:
    """Split one run.

    Args:
        wall: seconds from before the submission until the answer was seen.
        delay: of them until the worker had the job, as the platform says.
        execution: of them at work on the job, as the platform says.
        retries: how often the job was given to another worker; `delay` begins at the last time.
        output: the reply.

    Returns:
        seconds of the whole, and of each part; the parts add up to it.

    """
    whole = max(wall, delay + execution)
    start = Start.read(output)
    parts = dict.fromkeys(DEFINITIONS, 0.0)
    if start is None or start.seconds > delay + _TOLERANCE:
        parts["wait"] = delay
    else:
        ready = min(start.seconds, delay)
        parts["queue"] = delay - ready
        for name, seconds in start.parts().items():
            parts[name] = seconds * ready / start.seconds if start.seconds else 0.0
    behind = _behind(output, most=execution)
    parts["queue"] += behind["queue"]
    parts["engines"] = behind["engines"]
    parts["first_result"] = execution - sum(behind.values())
    parts["lost" if retries else "network"] = whole - delay - execution
    return whole, {name: seconds for name, seconds in parts.items() if seconds > 0}


def _behind(output: object, *, most: float) -> dict[str, float]:
    """What an orchestrator's job waited for the slower one of the endpoints that it asked."""
    _, waited, started = max(
        ((took, delay, start or 0.0) for took, delay, start in _branches(output)),
        default=(0.0, 0.0, 0.0),
    )
    delay = min(waited, most)
    start = min(started, delay)
    return {"queue": delay - start, "engines": start}


def _branches(output: object) -> list[tuple[float, float, float | None]]:
    """Of each endpoint that an orchestrator asked: its seconds, its wait, its worker's start."""
    timings = output.get("timings") if isinstance(output, Mapping) else None
    if not isinstance(timings, Mapping):
        return []
    found = []
    for name in _BRANCHES:
        took, delay = _number(timings.get(name)), _number(timings.get(f"{name}.delay"))
        if took is not None and delay is not None:
            found.append((took, delay, _number(timings.get(f"{name}.cold_start"))))
    return found


def _kind(step: str) -> str:
    words = step.lower()
    if any(word in words for word in _WEIGHTS):
        return "weights"
    return "load" if any(word in words for word in _LOAD) else ""


def _number(value: Any) -> float | None:  # noqa: ANN401  JSON of somebody else
    """Seconds that came from elsewhere; None where they are none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= MOST_SECONDS else None
