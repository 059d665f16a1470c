"""An orchestrator's fleet with the two that it calls, fed chunk by chunk."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np

from planner.simulator.fleet import Finished, FleetRules, Floats, Jobs, Outcome
from planner.simulator.kernel import FULL, begin, play_together
from planner.simulator.simulation import checked, checked_span, finished, outcome
from planner.simulator.state import CALL, END, PARTS, ROOM, State, Team, created, logging, widened


class Whole(NamedTuple):
    """Requests, and what each fleet takes for them."""

    seconds: Floats
    """(k,) arrivals at the orchestrator, ascending."""
    work_seconds: Floats
    """(3, k): of the orchestrator once both others are done, and of the others."""


class TeamSimulation:
    """A fleet whose workers ask two others at once, and hold each request until both are done.

    `timeout_seconds` of the orchestrator's rules has no effect, and its `ttl_seconds` only on
    requests that wait: those that it holds end with their parts, whose rules bound them.

    Args:
        rules: of the orchestrator's fleet and of the two others, in this order.
        start: second 0; it knows its zone.
        span: in seconds, at least until the last arrival.
        parts: of the span, for `Outcome.series`.

    Raises:
        RequestsInvalid: the span is no length of time.

    """

    def __init__(
        self, rules: Sequence[FleetRules], *, start: datetime, span: float, parts: int = PARTS
    ) -> None:
        self._span = checked_span(span)
        self._latest = 0.0
        holding, one, other = (
            created(own, start=start, span=span, parts=parts, holds=not number)
            for number, own in enumerate(rules)
        )
        for state in (holding, one, other):
            begin(state)
        calls, log = np.zeros(ROOM, CALL), np.zeros(0, END)
        self._team = Team(holding=holding, one=one, other=other, calls=calls, log=log)

    def feed(self, requests: Whole) -> Finished:
        """Let requests arrive; give those whose end has become known.

        Raises:
            RequestsInvalid: they are not in order, or cannot be.

        """
        size, work = len(requests.seconds), np.asarray(requests.work_seconds, np.float64)
        seconds = np.zeros(0)
        for own in work.reshape(3, -1):
            seconds, _ = checked(Jobs(requests.seconds, own), after=self._latest, span=self._span)
        return self._play(seconds, work.copy()) if size else finished(np.zeros(0, END))

    def close(self) -> tuple[Finished, tuple[Outcome, ...]]:
        """Let no more arrive; give the requests that were left, and what each fleet did."""
        left = self._play(np.zeros(0), np.zeros((3, 0)))
        team = self._team
        return left, tuple(outcome(state) for state in (team.holding, team.one, team.other))

    def _play(self, seconds: Floats, work: Floats) -> Finished:
        core = self._team.holding.core[0]
        first, before = int(core["requests"]), int(core["told"])
        core["told_before"] = before
        log = np.zeros(first - before + len(seconds), END)
        self._team = self._team._replace(log=log)
        while play_together(self._team, seconds, work, first) == FULL:
            self._team = _widened(self._team)
        self._latest = float(seconds[-1]) if len(seconds) else self._latest
        return finished(log[: int(core["told"]) - before])


def _widened(team: Team) -> Team:
    """Give the same team with room for what may happen next."""
    core = team.holding.core[0]
    calls, told, requests = team.calls, int(core["told"]), int(core["requests"])
    if requests - told >= len(calls):
        calls = np.zeros(2 * len(team.calls), CALL)
        live = np.arange(told, requests)
        calls[live % len(calls)] = team.calls[live % len(team.calls)]
    # an event lets each worker take what it has room for, and all that it calls for may be taken
    most = int(core["concurrency"])
    jobs = most + max(int(part.core[0]["concurrency"]) for part in (team.one, team.other))

    def roomy(state: State) -> State:
        return logging(widened(state, jobs=jobs), jobs=2 * jobs + 2)

    return team._replace(
        calls=calls, holding=roomy(team.holding), one=roomy(team.one), other=roomy(team.other)
    )
