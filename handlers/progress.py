"""How far a job is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, get_args

Phase = Literal["queue", "fetch", "decode", "transcribe", "diarize", "align", "format"]
"""In their order; `queue` is waiting for a worker, and `transcribe` and `diarize` run at once."""

PHASES: Final[tuple[Phase, ...]] = get_args(Phase)


@dataclass(frozen=True, slots=True)
class Step:
    """A phase of a job, and the share of it that is done, 0 to 1."""

    phase: Phase
    done: float


Progress = Callable[[Step], None]
"""Takes every step, from any thread, at once: it must not block."""


def ignore(_step: Step) -> None:
    """Progress that nobody watches."""
