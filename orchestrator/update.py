"""What the platform says of a job."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from handlers.errors import (
    JobCancelled,
    JobFailed,
    JobTimedOut,
    ParleyError,
    ReplyInvalid,
    ResultLost,
    WorkerLost,
    restored,
)

_FINAL: Final = frozenset({"COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"})
_MOST_MILLISECONDS: Final = 30 * 86_400_000
"""RunPod ends a job after 7 days at the latest; what is far more is no time."""
_VANISHED: Final = re.compile(r"job timed out after \d+ retries")
"""RunPod's words for a job whose workers took it and never reported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """The state of a job, once it was asked for."""

    job: str
    state: str
    output: Any = None
    """The latest progress while the job is IN_PROGRESS, the reply once it is COMPLETED."""
    error: Any = None
    worker: str | None = None
    delay: float | None = None
    """Seconds from the submission to the worker, where the platform says it already."""
    execution: float | None = None
    """Seconds that the worker took."""

    @classmethod
    def read(cls, body: Mapping[str, Any], *, endpoint: str) -> Self:
        """Read an answer of /run or /status.

        Raises:
            ReplyInvalid: it names no job, or no state.

        """
        job, state, worker = body.get("id"), body.get("status"), body.get("workerId")
        # what cannot be printed, such as half a surrogate, has no place in an address
        if not (isinstance(job, str) and job and job.isprintable() and isinstance(state, str)):
            raise ReplyInvalid(endpoint, reason="it names no job and state")
        return cls(
            job=job,
            state=state,
            output=body.get("output"),
            error=body.get("error"),
            worker=worker if isinstance(worker, str) else None,
            delay=_seconds(body.get("delayTime")),
            execution=_seconds(body.get("executionTime")),
        )

    @property
    def is_final(self) -> bool:
        return self.state in _FINAL

    def failure(self, endpoint: str, *, excerpt: Callable[[str], str]) -> ParleyError | None:
        """Say why a final state gives no result; None where it gives one.

        Args:
            endpoint: whose job it is.
            excerpt: makes words of somebody else fit to be shown.

        """
        if self.state == "COMPLETED":
            return ResultLost(endpoint, job=self.job) if self.output is None else None
        if self.state == "TIMED_OUT":
            return JobTimedOut(endpoint, job=self.job)
        if self.state == "CANCELLED":
            return JobCancelled(endpoint, job=self.job)
        body = _parsed(self.error)
        failure = restored(body)
        if failure is not None:
            return failure
        words = str(body.get("error_message") or self.error or "no reason given")
        if _VANISHED.search(words):
            return WorkerLost(endpoint, job=self.job)
        return JobFailed(endpoint, job=self.job, reason=excerpt(words))


def _parsed(error: Any) -> Mapping[str, Any]:  # noqa: ANN401
    """A body of ours, or what the SDK makes of an exception: both travel as JSON text."""
    if isinstance(error, str):
        try:
            error = json.loads(error)
        except (ValueError, RecursionError):
            return {}
    return error if isinstance(error, Mapping) else {}


def _seconds(milliseconds: object) -> float | None:
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, int | float):
        return None
    return milliseconds / 1000 if 0 <= milliseconds <= _MOST_MILLISECONDS else None
