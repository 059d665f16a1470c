"""RunPod's numbers, so that tests can shorten them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

_MEGABYTE: Final = 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """What one kind of request may do on one endpoint before it is answered 429.

    The allowance is `max(base, running workers x per worker)`; RunPod does not publish how much a
    worker adds.
    """

    requests: int
    """In any window of `Limits.rate_window` seconds."""
    concurrent: int | None
    """None: there is no bound."""
    requests_per_worker: int = 0
    concurrent_per_worker: int = 0


_RATES: Final = MappingProxyType(
    {
        "run": Rate(requests=1000, concurrent=200),
        "runsync": Rate(requests=2000, concurrent=400),
        "status": Rate(requests=2000, concurrent=400),
        "stream": Rate(requests=2000, concurrent=400),
        "cancel": Rate(requests=100, concurrent=20),
        "purge-queue": Rate(requests=2, concurrent=None),
        "requests": Rate(requests=10, concurrent=2),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Seconds and bytes; `docs/emulator.md` names the source of each."""

    run_bytes: int = 10 * _MEGABYTE
    runsync_bytes: int = 20 * _MEGABYTE
    result_bytes: int = 20 * _MEGABYTE
    chunk_bytes: int = _MEGABYTE

    shortest_execution_timeout: float = 5.0
    longest_execution_timeout: float = 7 * 86400.0
    ttl: float = 86400.0
    shortest_ttl: float = 10.0
    longest_ttl: float = 7 * 86400.0

    async_retention: float = 30 * 60.0
    """How long the result of `/run` can be asked for."""
    sync_retention: float = 60.0
    sync_wait: float = 90.0
    """How long `/runsync` waits where the caller does not say."""
    shortest_sync_wait: float = 1.0
    longest_sync_wait: float = 300.0

    rates: Mapping[str, Rate] = field(default_factory=lambda: _RATES)
    rate_window: float = 10.0

    webhook_pauses: tuple[float, ...] = (5.0, 15.0)
    """Before each further try."""
    webhook_timeout: float = 10.0

    poll: float = 60.0
    """How long a worker's request for work is held; the SDK gives up after 90 s."""
    poll_pace: float = 0.1
    """What a poll that brought nothing takes at least: the SDK asks again at once."""
    lost_job: float = 40.0
    """How long a worker may disown a job that it was given until it is given to another."""
    stop_repeat: float = 0.5
    """Until a stop signal is repeated for the first time; each further pause is twice as long."""
    stop_signal: float = 10.0
    """How long a stop signal is repeated."""
