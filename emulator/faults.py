"""What goes wrong on demand, for tests and for people who want to see what happens then."""

from dataclasses import KW_ONLY, dataclass
from typing import Literal, get_args

FaultKind = Literal[
    "kill_worker",
    "no_capacity",
    "slow_start",
    "delay_result",
    "drop_result",
    "answer_500",
    "answer_401",
    "answer_422",
    "answer_429",
    "answer_late",
    "close_connection",
    "lose_answer",
    "graphql_error",
    "empty_pool",
]
ANY = "*"
MANAGEMENT = "management"
"""The route of all calls to the management API; `management/createEndpoint` is one kind of them."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong.

    - `kill_worker`: the worker is killed `seconds` after it took a job.
    - `no_capacity`: a worker is not started; it is throttled, and tried again later.
    - `slow_start`: a worker's process is started `seconds` later.
    - `delay_result`: a final result arrives `seconds` later.
    - `drop_result`: a final result is acknowledged and lost; the job runs into its timeout.
    - `answer_500`: a request to `route` is answered with HTTP 500.

    Of the management API alone:

    - `answer_401`, `answer_422`: a request is refused.
    - `answer_429`: a request is refused, with `seconds` as its Retry-After.
    - `answer_late`: a request is answered `seconds` later, or never where that is 0.
    - `close_connection`: the connection is closed, and nothing is done.
    - `lose_answer`: it is done, and the connection is closed instead of an answer.
    - `graphql_error`: GraphQL answers 200, with errors and without data.
    - `empty_pool`: the pool that `endpoint` names has no GPU for a new or changed endpoint.

    Args:
        kind: what goes wrong.
        endpoint: where; `*` is everywhere.
        every: it strikes at each `every`-th chance.
        times: how often it strikes in all; None: until it is cleared.
        seconds: see the kinds.
        route: of `answer_500` and of the management API's: run, runsync, status, ..., job-done,
            management, management/createEndpoint, ...; `*` is all of them.

    Raises:
        ValueError: a value makes no sense.

    """

    kind: FaultKind
    _: KW_ONLY
    endpoint: str = ANY
    every: int = 1
    times: int | None = 1
    seconds: float = 0.0
    route: str = ANY

    def __post_init__(self) -> None:
        problem = ""
        if self.kind not in get_args(FaultKind):
            problem = (
                f"There is no fault {self.kind!r}; there are {', '.join(get_args(FaultKind))}."
            )
        elif self.every < 1 or (self.times is not None and self.times < 1):
            problem = "`every` and `times` of a fault are at least 1."
        elif self.seconds < 0:
            problem = "`seconds` of a fault is at least 0."
        if problem:
            raise ValueError(problem)

    def concerns(self, kind: FaultKind, endpoint: str, route: str) -> bool:
        """Whether an event of this kind at this place is a chance to strike."""
        routes = {ANY, route, route.partition("/")[0]}
        return kind == self.kind and self.endpoint in {ANY, endpoint} and self.route in routes


@dataclass(slots=True)
class _Armed:
    fault: Fault
    chances: int = 0
    strikes: int = 0

    @property
    def is_spent(self) -> bool:
        return self.fault.times is not None and self.strikes >= self.fault.times

    def strike(self) -> bool:
        """Count a chance; whether the fault strikes at it."""
        self.chances += 1
        strikes = self.chances % self.fault.every == 0
        self.strikes += strikes
        return strikes


class Faults:
    """The faults that are armed at the moment."""

    def __init__(self) -> None:
        self._armed: list[_Armed] = []

    def add(self, fault: Fault) -> None:
        self._armed.append(_Armed(fault))

    def clear(self) -> None:
        self._armed.clear()

    def active(self) -> tuple[Fault, ...]:
        """Give the faults that can still strike, in the order in which they were added."""
        return tuple(armed.fault for armed in self._armed)

    def take(self, kind: FaultKind, endpoint: str, *, route: str = ANY) -> Fault | None:
        """Tell what strikes now, if anything.

        This is one chance for every fault that it concerns, up to the first that strikes.
        """
        for armed in self._armed:
            if armed.fault.concerns(kind, endpoint, route) and armed.strike():
                if armed.is_spent:
                    self._armed.remove(armed)
                return armed.fault
        return None
