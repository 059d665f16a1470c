"""Cold starts one after the other, until there are as many as were asked for."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from handlers.errors import ParleyError
from planner.coldstart.attempt import Order, attempt, billed, withdraw
from planner.coldstart.cooling import Cooling, cool
from planner.coldstart.costs import Budget
from planner.coldstart.outcomes import Outcome
from planner.coldstart.runs import Begun, Run
from planner.coldstart.store import RunsFile
from planner.coldstart.subject import Subject
from planner.errors import AlwaysWarm, ColdJobRefused

Ending = Literal["done", "budget"]
"""Why no further run is made."""

_MOST_WARM: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is done.

    Attributes:
        runs: that are wanted, those in the file counted in.
        order: what is asked each time.
        cooling: when the endpoint is cold.
        budget: what it may cost; None: that is not watched.

    """

    runs: int
    order: Order
    cooling: Cooling
    budget: Budget | None = None


@dataclass(frozen=True, slots=True)
class News:
    """What happens, for whoever shows or tests it.

    Attributes:
        what: `waiting` for an endpoint to be cold, a run that `begins`, its job `submitted`, the
            run `ended`; what was `half_done` when this began.
        number: of the run.
        text: for people.
        run: that ended.

    """

    what: Literal["half_done", "waiting", "begins", "submitted", "ended"]
    number: int
    text: str = ""
    run: Run | None = None


Told = Callable[[News], None]


async def carry_out(
    plan: Plan, *, subject: Subject, also_cold: Sequence[Subject], file: RunsFile, told: Told
) -> Ending:
    """Make the runs that the file lacks; every one is in it before the next begins.

    Where this is cancelled, the job that is under way is cancelled on the platform, and its run is
    kept as `interrupted`. Runs that were half done when the file was last closed are told, and
    their jobs cancelled.

    Args:
        plan: what is done.
        subject: the endpoint that is asked.
        also_cold: others that have to be cold, such as those behind an orchestrator.
        file: of the experiment.
        told: what happens; it must not block.

    Raises:
        NeverCold: no cold start could begin.
        AlwaysWarm: runs in a row met workers that were there before.
        ColdJobRefused: the job is wrong.
        EndpointError: the key or the endpoint's id is wrong.
        RunsFileUnusable: the file cannot be written.

    """
    await _tidy(subject, file, told=told)
    while len(file.runs.counted) < plan.runs:
        if plan.budget and not plan.budget.allows(file.runs.runs):
            return "budget"
        number = 1 + max((run.number for run in file.runs.runs), default=0)
        run = await _next(plan, number, subject=subject, also_cold=also_cold, file=file, told=told)
        if run.outcome == "refused":
            raise ColdJobRefused(subject.id, reason=run.detail)
        latest = file.runs.runs[-_MOST_WARM:]
        if len(latest) == _MOST_WARM and all(one.outcome == "warm" for one in latest):
            raise AlwaysWarm(subject.id, runs=_MOST_WARM)
    return "done"


async def _next(  # noqa: PLR0913  what it works with
    plan: Plan,
    number: int,
    *,
    subject: Subject,
    also_cold: Sequence[Subject],
    file: RunsFile,
    told: Told,
) -> Run:
    await cool(
        [subject, *also_cold],
        plan.cooling,
        told=lambda text: told(News("waiting", number, text)),
    )
    began = Begun(number=number, at=datetime.now(UTC))
    file.begin(began)
    told(News("begins", number))
    clock = asyncio.get_running_loop().time
    start = clock()
    job: str | None = None

    def submitted(name: str) -> None:
        nonlocal job
        job = name
        file.begin(began.model_copy(update={"job": name}))
        told(News("submitted", number, name))

    def ended(outcome: Outcome, detail: str, code: str | None = None) -> Run:
        run = Run(
            number=number,
            at=began.at,
            outcome=outcome,
            seconds=round(clock() - start, 3),
            code=code,
            detail=detail,
            job=job,
        )
        return run.model_copy(update={"billed_seconds": billed(run, idle=plan.order.idle_seconds)})

    try:
        run = await attempt(subject, plan.order, number=number, submitted=submitted)
    except ParleyError as error:  # of the key or the endpoint's id
        file.end(ended("refused", str(error), error.code))
        raise
    except asyncio.CancelledError:
        detail = "this command was stopped" + ("" if job else " before the platform took the job")
        run = ended("interrupted", detail)
        file.end(run)
        told(News("ended", number, run=run))
        raise
    file.end(run)
    told(News("ended", number, run=run))
    return run


async def _tidy(subject: Subject, file: RunsFile, *, told: Told) -> None:
    """Cancel what a killed command left behind, say so, and keep its run as interrupted."""
    for begun in file.runs.half_done:
        which = f"its job was {begun.job}" if begun.job else "it had no job yet"
        told(News("half_done", begun.number, which))
        if begun.job:
            await withdraw(subject, begun.job)
        detail = f"this command was killed half-way; {which}"
        file.end(
            Run(
                number=begun.number,
                at=begun.at,
                outcome="interrupted",
                job=begun.job,
                detail=detail,
            )
        )
