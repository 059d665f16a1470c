"""What a job takes of a worker, and what that costs."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from handlers.settings import Settings
from handlers.timeline import Machine, Spent

OWN_PRICE: Final = "PARLEY_PRICE_PER_SECOND"
_CENT_DIGITS: Final = 9
"""Of dollars, after the point: a second of the cheapest worker is a hundred-thousandth."""

_NO_MACHINE: Final = "unknown: the worker does not say what it runs on"
_NO_CPU_PRICE: Final = (
    "unknown: RunPod publishes no price of CPU workers; set PARLEY_PRICE_PER_SECOND on their "
    "endpoint"
)


class Meter:
    """Divides the seconds of a worker among the jobs that it has: of n at once, each gets an nth.

    So the shares of all jobs add up to the seconds in which the worker had any job, however these
    overlapped, and no second is counted twice (it is how a processor's time is shared out in the
    model of processor sharing). What is billed beside them is nobody's share: starting, and being
    idle.

    Args:
        clock: seconds, never going back.

    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._jobs = 0
        self._seen = clock()
        self._one = 0.0  # what a job would have got that had been here all the time

    @contextmanager
    def job(self) -> Iterator[Callable[[], float]]:
        """Count a job for as long as the block runs; gives what tells its seconds so far."""
        began = self._change(+1)
        try:
            yield lambda: self._change(0) - began
        finally:
            self._change(-1)

    def _change(self, jobs: int) -> float:
        """Count the seconds until now, then have more jobs, or fewer."""
        with self._lock:
            now = self._clock()
            if self._jobs:
                self._one += (now - self._seen) / self._jobs
            self._seen = now
            self._jobs += jobs
            return self._one


def charged(seconds: float, *, machine: Machine | None, settings: Settings) -> Spent:
    """What a job took of a worker, with its cost, or why that is not known.

    Args:
        seconds: of the worker, as a `Meter` counts them.
        machine: what the worker runs on; None where nobody knows.
        settings: may say what a second of the worker costs, which goes first; and its endpoint.

    """
    price, basis = _price(machine, own=settings.price_per_second)
    return Spent(
        worker_seconds=round(seconds, 3),
        machine=None if machine is None else str(machine),
        dollars_per_second=price,
        cost_dollars=None if price is None else round(price * seconds, _CENT_DIGITS),
        cost_basis=basis,
        endpoint=settings.own_endpoint,
    )


def _price(machine: Machine | None, *, own: float | None) -> tuple[float | None, str]:
    if own is not None:
        return own, f"{_dollars(own)} a second, as {OWN_PRICE} says"
    if machine is None:
        return None, _NO_MACHINE
    if machine.gpu is None:
        return None, _NO_CPU_PRICE
    from handlers.prices import PriceUnknown, published  # noqa: PLC0415  a worker starts without

    try:
        rate = published().of_gpu(machine.gpu, count=machine.count)
    except (PriceUnknown, OSError, ValueError) as error:  # no reason to fail a job
        return None, f"unknown: {error}".rstrip(".")
    price = rate.dollars_per_second
    return price, f"{machine} ({rate.name}) at {_dollars(price)} a second ({rate.source})"


def _dollars(amount: float) -> str:
    return "$" + (f"{amount:.{_CENT_DIGITS}f}".rstrip("0").rstrip(".") or "0")
