"""Jobs: what they are asked to do, what became of them."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Self

from emulator.limits import Limits


class BadRequest(ValueError):
    """A request that RunPod answers with 400; the message says what is wrong."""


class UnknownJob(KeyError):
    """There is no such job, or none any more."""


class State(StrEnum):
    """The states of a job, as RunPod names them."""

    IN_QUEUE = "IN_QUEUE"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMED_OUT = "TIMED_OUT"

    @property
    def is_final(self) -> bool:
        return self not in {State.IN_QUEUE, State.IN_PROGRESS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a caller may decide about a job; in seconds."""

    execution_timeout: float = 600.0
    ttl: float = 86400.0
    """From its submission until the job is forgotten, even while it runs."""
    low_priority: bool = False

    @classmethod
    def read(cls, policy: object, *, default: Self, limits: Limits | None = None) -> Self:
        """Read a policy as callers write it, in milliseconds.

        Raises:
            BadRequest: it is no object, or a value is out of RunPod's range.

        """
        limits = limits or Limits()
        if policy is None:
            return default
        if not isinstance(policy, Mapping):
            message = "policy must be an object."
            raise BadRequest(message)
        low_priority = policy.get("lowPriority", default.low_priority)
        if not isinstance(low_priority, bool):
            message = "policy.lowPriority must be true or false."
            raise BadRequest(message)
        return replace(
            default,
            execution_timeout=_seconds(
                policy,
                "executionTimeout",
                (limits.shortest_execution_timeout, limits.longest_execution_timeout),
                default.execution_timeout,
            ),
            ttl=_seconds(policy, "ttl", (limits.shortest_ttl, limits.longest_ttl), default.ttl),
            low_priority=low_priority,
        )


def _seconds(
    policy: Mapping[str, Any], key: str, bounds: tuple[float, float], default: float
) -> float:
    value = policy.get(key)
    if value is None:
        return default
    least, most = bounds
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not least <= value / 1000 <= most:
        message = f"policy.{key} must be from {least * 1000:.0f} to {most * 1000:.0f} ms."
        raise BadRequest(message)
    return float(value) / 1000


@dataclass(eq=False, slots=True, kw_only=True)
class Job:
    """One job; `output` is its latest progress until it is final. Times are the queue's clock."""

    id: str
    endpoint: str
    input: Any
    extra: Mapping[str, Any]
    """What else the request held; the worker gets it as it is."""
    policy: Policy
    webhook: str | None
    retention: float
    """How long it can be asked for once it is final, in seconds."""
    submitted: float
    queued: float
    """When it was queued for the present attempt."""
    expires: float
    state: State = State.IN_QUEUE
    output: Any = None
    error: Any = None
    worker: str | None = None
    retries: int = 0
    losses: int = 0
    """How often a worker lost it since somebody asked for it."""
    started: float | None = None
    finished: float | None = None
    disowned: float | None = None
    """Since when its worker has said that it does not hold it."""
    chunks: list[Any] = field(default_factory=list)
    """Parts of the output that nobody was given yet."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set, and replaced by a new one, at each change."""
    _encoded: bytes | None = None

    def announce(self) -> None:
        self._encoded = None
        self.changed.set()
        self.changed = asyncio.Event()

    @property
    def delay_ms(self) -> int | None:
        """How long it waited for its worker; None until it has one."""
        return None if self.started is None else round((self.started - self.queued) * 1000)

    @property
    def execution_ms(self) -> int | None:
        """How long its worker had it; None until it is final, or where it never ran."""
        if self.started is None or self.finished is None:
            return None
        return round((self.finished - self.started) * 1000)

    def body(self) -> dict[str, Any]:
        """What `/status` answers."""
        facts = {
            "delayTime": self.delay_ms,
            "executionTime": self.execution_ms,
            "workerId": self.worker,
            "output": self.output,
            "error": self.error,
            "retries": self.retries or None,
        }
        known = {key: value for key, value in facts.items() if value is not None}
        return {"id": self.id, "status": str(self.state), **known}

    def encoded(self) -> bytes:
        """What `/status` answers, as JSON; a final job's is made once."""
        if not self.state.is_final:
            return json.dumps(self.body()).encode()
        if self._encoded is None:
            self._encoded = json.dumps(self.body()).encode()
        return self._encoded

    def work(self) -> dict[str, Any]:
        """What a worker gets: as on RunPod, no `input` where it is an empty object."""
        filled = {} if self.input == {} else {"input": self.input}
        return {**self.extra, **filled, "id": self.id}
