"""What queueing theory says exactly, to check the simulator against.

Requests arrive at random (Poisson), work is exponential, and all workers are always there.
`M/M/c` as in L. Kleinrock, Queueing Systems, volume 1 (1975), section 3.5; A. K. Erlang (1917).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """A queue in balance.

    Attributes:
        utilisation: of each worker, of 1.
        wait_probability: that a request finds all workers busy (Erlang C).
        wait: mean seconds until a worker takes a request.
        latency: mean seconds until a request is done.

    """

    utilisation: float
    wait_probability: float
    wait: float
    latency: float


def mm1(*, arrivals: float, work: float) -> Queue:
    """Give one worker's queue.

    Args:
        arrivals: mean number each second.
        work: mean seconds.

    Raises:
        ValueError: more comes than can be done, so there is no balance.

    """
    busy = _balanced(arrivals * work)
    wait = work * busy / (1 - busy)
    return Queue(utilisation=busy, wait_probability=busy, wait=wait, latency=wait + work)


def mmc(*, arrivals: float, work: float, workers: int) -> Queue:
    """Give the queue of several workers.

    Args:
        arrivals: mean number each second.
        work: mean seconds.
        workers: how many.

    Raises:
        ValueError: more comes than can be done, so there is no balance.

    """
    load = arrivals * work
    busy = _balanced(load / workers)
    blocked = 1.0  # Erlang B, by its recursion: no factorial overflows
    for number in range(1, workers + 1):
        blocked = load * blocked / (number + load * blocked)
    waits = blocked / (1 - busy * (1 - blocked))
    wait = waits * work / (workers * (1 - busy))
    return Queue(utilisation=busy, wait_probability=waits, wait=wait, latency=wait + work)


def _balanced(busy: float) -> float:
    if not 0 <= busy < 1:
        message = (
            f"workers busy {busy:.0%} of their time are no balance; give 0 or more, below 100%"
        )
        raise ValueError(message)
    return busy
