"""What can come of a cold start, each told by facts that anyone can look at again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from handlers.errors import (
    AudioError,
    DeadlineExceeded,
    InvalidRequest,
    JobCancelled,
    JobForgotten,
    JobTimedOut,
    ModelError,
    ParleyError,
    RequestRefused,
    RequestTooLarge,
    ResultLost,
    WorkerLost,
)
from planner.coldstart.subject import IN_PROGRESS, IN_QUEUE, Look, Sight

Outcome = Literal[
    "ok",
    "unreachable",
    "no_worker",
    "no_capacity",
    "never_ready",
    "not_taken",
    "worker_lost",
    "timed_out",
    "models_failed",
    "job_failed",
    "result_lost",
    "wrong_answer",
    "forgotten",
    "cancelled",
    "failed",
    "refused",
    "warm",
    "interrupted",
]
Mishap = Literal["no_capacity", "never_ready", "worker_lost", "unreachable"]

DEFINITIONS: Final[Mapping[Outcome, str]] = MappingProxyType(
    {
        "ok": "a right answer before the deadline, from a worker that was started for it",
        "unreachable": "the platform took no job, or told no state of it, for its outage time: no "
        "connection, 429 or 5xx, also when asked again",
        "no_worker": "the job never left the queue, and /health never counted a worker",
        "no_capacity": "the job never left the queue; the last workers that /health counted were "
        "throttled",
        "never_ready": "the job never left the queue; the last workers that /health counted were "
        "initializing, unhealthy, or gone again",
        "not_taken": "the job never left the queue, although /health last counted workers that "
        "were idle or running",
        "worker_lost": "a worker took the job and vanished, and so did the next (`job timed out "
        "after N retries`), or the job was in the queue again at the deadline",
        "timed_out": "a worker had the job when the deadline, or the endpoint's execution timeout, "
        "ended it",
        "models_failed": "the worker answered that a model is missing, broken, refused, or has no "
        "room",
        "job_failed": "the worker, or its SDK, answered with any other error",
        "result_lost": "the job is COMPLETED without an output",
        "wrong_answer": "the output is no reply of the kind, holds no word, or not the words that "
        "were expected",
        "forgotten": "the platform answered 404 for the job before it had ended",
        "cancelled": "the job is CANCELLED, and not by this command",
        "failed": "it failed otherwise; `detail` says how (of runs that were written elsewhere)",
        "refused": "the platform or the worker says that the job, the key or the endpoint's id is "
        "wrong; not counted",
        "warm": "the worker had been started before the job came; not counted",
        "interrupted": "this command was stopped, and cancelled the job; not counted",
    }
)
NOT_COUNTED: Final[frozenset[Outcome]] = frozenset({"refused", "warm", "interrupted"})
"""They say nothing of how reliably the platform starts workers."""

_NOT_TAKEN: Final = ("idle", "ready", "running")
_REFUSALS: Final = (RequestRefused, RequestTooLarge, InvalidRequest)
_TOLD: Final[Sequence[tuple[type[ParleyError], Outcome]]] = (
    (InvalidRequest, "refused"),
    (WorkerLost, "worker_lost"),
    (DeadlineExceeded, "timed_out"),
    (JobCancelled, "cancelled"),
    (ResultLost, "result_lost"),
    (ModelError, "models_failed"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What was seen of one job.

    Attributes:
        sights: the workers that `/health` counted, at each change.
        states: of the job, at each change, as they were told.
        look: the last that the platform said of it; None where it never took it.
        failure: why there is no output, where somebody said so.
        late: whether the deadline ended it.
        outages: how often the platform could not be asked.
        wrong: what is wrong with the output; None where nothing is, or there is none.
        was_cold: whether its worker was started for it; None where nobody can tell.

    """

    sights: Sequence[Sight] = ()
    states: Sequence[str] = ()
    look: Look | None = None
    failure: ParleyError | None = None
    late: bool = False
    outages: int = 0
    wrong: str | None = None
    was_cold: bool | None = None

    @property
    def was_taken(self) -> bool:
        """Whether any worker ever had the job."""
        return IN_PROGRESS in self.states or bool(self.look and self.look.was_taken)

    @property
    def went_back(self) -> bool:
        """Whether the job was queued again after a worker had it."""
        returned = any(
            before != IN_QUEUE and after == IN_QUEUE
            for before, after in zip(self.states, self.states[1:], strict=False)
        )
        return returned or bool(self.look and self.look.retries)


def judge(facts: Facts) -> Outcome:
    """Name what came of a job."""
    if facts.late or isinstance(facts.failure, JobTimedOut):
        return _unfinished(facts)
    if facts.failure is not None:
        is_told = facts.look is not None and facts.look.update.is_final
        return _told(facts.failure) if is_told else _asked_in_vain(facts.failure)
    if facts.wrong is not None:
        return "wrong_answer"
    return "warm" if facts.was_cold is False else "ok"


def mishaps(facts: Facts) -> tuple[Mishap, ...]:
    """Name what went wrong on the way, whether or not an answer came of it all the same."""
    counted = [sight.workers for sight in facts.sights]
    seen: dict[Mishap, bool] = {
        "no_capacity": any(workers.get("throttled") for workers in counted),
        "never_ready": any(workers.get("unhealthy") for workers in counted),
        "worker_lost": facts.went_back,
        "unreachable": facts.outages > 0,
    }
    return tuple(name for name, is_seen in seen.items() if is_seen)


def _unfinished(facts: Facts) -> Outcome:
    if facts.look is None:
        return "unreachable"
    if facts.went_back and facts.look.update.state == IN_QUEUE:
        return "worker_lost"
    return "timed_out" if facts.was_taken else _waiting(facts.sights)


def _waiting(sights: Sequence[Sight]) -> Outcome:
    """Name why a job was never taken, by the last workers that were counted."""
    counts = [sight.workers for sight in sights]
    if counts and any(counts[-1].get(name) for name in _NOT_TAKEN):
        return "not_taken"
    for workers in reversed(counts):
        if any(workers.get(name) for name in ("initializing", "unhealthy", *_NOT_TAKEN)):
            return "never_ready"
        if workers.get("throttled"):
            return "no_capacity"
    return "no_worker"


def _told(failure: ParleyError) -> Outcome:
    """Name what the platform or a worker said of a job that is over."""
    for kind, name in _TOLD:
        if isinstance(failure, kind):
            return name
    # what another try cannot mend is wrong with the recording, not with the platform
    return "refused" if isinstance(failure, AudioError) and not failure.retryable else "job_failed"


def _asked_in_vain(failure: ParleyError) -> Outcome:
    if isinstance(failure, _REFUSALS):
        return "refused"
    return "forgotten" if isinstance(failure, JobForgotten) else "unreachable"
