"""One cold start: a job submitted to an endpoint without workers, and all that is seen of it."""

import asyncio
import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from handlers.errors import (
    EndpointAccessDenied,
    EndpointFailed,
    EndpointNotFound,
    EndpointUnreachable,
    JobForgotten,
    ParleyError,
    ReplyInvalid,
)
from planner.coldstart.answers import Answer, Expected, read
from planner.coldstart.breakdown import MOST_SECONDS, Start, engines_were_warm, split, was_cold
from planner.coldstart.outcomes import Facts, judge, mishaps
from planner.coldstart.runs import Run, Seen
from planner.coldstart.subject import Look, Sight, Subject

_HOPELESS: Final = (EndpointAccessDenied, EndpointNotFound)
"""They say nothing of cold starts, and the next run would meet them too."""
_OUTAGES: Final = (EndpointFailed, EndpointUnreachable, ReplyInvalid)
_FETCH_SECONDS: Final = 60.0
_LAST_LOOK_SECONDS: Final = 10.0
_MOST_SIGHTS: Final = 500
_MOST_STATES: Final = 500
_MOST_TEXT: Final = 500
_MOST_NAME: Final = 200
_DIGITS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is asked of an endpoint, each time.

    Attributes:
        job_input: of the job, ready for JSON.
        expected: of the answer.
        within: seconds from the submission until the answer has to be there.
        watch: seconds between two looks at the workers meanwhile.
        idle_seconds: for which a worker stays, and is billed, after the job.
        all_cold: whether the engines behind an orchestrator have to be cold as well.

    """

    job_input: Mapping[str, Any] = field(repr=False)
    expected: Expected
    within: float
    watch: float = 2.0
    idle_seconds: float = 5.0
    all_cold: bool = False


@dataclass(slots=True)
class _Notes:
    """What is seen of a run while it lasts."""

    began: float
    sights: list[Sight] = field(default_factory=list)
    states: list[str] = field(default_factory=list)
    look: Look | None = None
    outages: int = 0
    failure: ParleyError | None = None
    late: bool = False

    def saw_job(self, look: Look) -> None:
        self.look = look
        is_news = not self.states or self.states[-1] != look.update.state
        if is_news and len(self.states) < _MOST_STATES:
            self.states.append(look.update.state)

    def saw_workers(self, workers: Mapping[str, int], *, now: float) -> None:
        is_news = not self.sights or self.sights[-1].workers != workers
        if is_news and len(self.sights) < _MOST_SIGHTS:
            self.sights.append(Sight(after=round(now - self.began, _DIGITS), workers=workers))

    def facts(self, *, wrong: str | None = None, was_cold: bool | None = None) -> Facts:
        return Facts(
            sights=self.sights,
            states=self.states,
            look=self.look,
            failure=self.failure,
            late=self.late,
            outages=self.outages,
            wrong=wrong,
            was_cold=was_cold,
        )


async def attempt(
    subject: Subject, order: Order, *, number: int, submitted: Callable[[str], None]
) -> Run:
    """Submit a job, watch it until it has an end, and name that.

    A job without an end is cancelled, at the deadline as well as where this is cancelled.

    Args:
        subject: the endpoint, which is cold.
        order: what is asked.
        number: of the run.
        submitted: told the id of the job, as far as it is kept, as soon as there is one; it must
            not block. Where it raises, the job is cancelled.

    Raises:
        EndpointAccessDenied: the platform does not take the key.
        EndpointNotFound: there is no such endpoint.

    """
    at = datetime.now(UTC)
    clock = asyncio.get_running_loop().time
    notes = _Notes(began=clock())
    watching = asyncio.create_task(_watch(subject, notes, pause=order.watch))
    try:
        wall = await _one(subject, order, notes, submitted=submitted)
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
    return await _written(subject, order, notes, number=number, at=at, wall=wall)


async def _one(
    subject: Subject, order: Order, notes: _Notes, *, submitted: Callable[[str], None]
) -> float:
    """Have the job done, or not; gives the seconds until its end was seen."""
    clock = asyncio.get_running_loop().time
    end = notes.began + order.within
    job: str | None = None
    try:
        async with asyncio.timeout_at(end):
            update = await subject.submit(order.job_input, within=order.within)
            job = update.job
            notes.saw_job(Look(update=update))  # before what may fail: such a job is cancelled
            submitted(_text(job, most=_MOST_NAME))
            await _follow(subject, job, notes)
    except TimeoutError:
        notes.late = True
    except _HOPELESS:
        raise
    except ParleyError as error:
        notes.failure = error
    finally:
        wall = clock() - notes.began
        is_open = notes.look is not None and not notes.look.update.is_final
        if job is not None and is_open and not isinstance(notes.failure, JobForgotten):
            await finish(_withdraw(subject, job, notes))
    return wall


async def finish(work: Any) -> None:  # noqa: ANN401  any coroutine
    """Do a short work to its end, also where this is cancelled meanwhile, which is raised then."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise


async def _follow(subject: Subject, job: str, notes: _Notes) -> None:
    """Ask for a job until it has an end."""
    clock = asyncio.get_running_loop().time
    patience = subject.patience
    known = clock()
    while True:
        elapsed = clock() - notes.began
        await asyncio.sleep(patience.poll_pause(elapsed=elapsed, waiting=1))
        try:
            look = await subject.look(job)
        except _OUTAGES:
            notes.outages += 1
            if clock() - known >= patience.outage_seconds:
                raise
            continue
        except JobForgotten:
            if clock() - known >= patience.forgotten_seconds:
                raise
            continue
        known = clock()
        notes.saw_job(look)
        if look.update.is_final:
            notes.failure = look.update.failure(subject.id, excerpt=subject.excerpt)
            return


async def _watch(subject: Subject, notes: _Notes, *, pause: float) -> None:
    """Count the workers now and then, for as long as this is let."""
    clock = asyncio.get_running_loop().time
    while True:
        with suppress(ParleyError):
            health = await subject.health()
            if health.workers is not None:
                notes.saw_workers(health.workers, now=clock())
        await asyncio.sleep(pause)


async def _withdraw(subject: Subject, job: str, notes: _Notes) -> None:
    """Count the workers once more, and cancel the job, as well as that can be done in the time."""
    clock = asyncio.get_running_loop().time
    with suppress(ParleyError, TimeoutError):
        async with asyncio.timeout(_LAST_LOOK_SECONDS):
            health = await subject.health()
        if health.workers is not None:
            notes.saw_workers(health.workers, now=clock())
    await withdraw(subject, job)


async def withdraw(subject: Subject, job: str) -> None:
    """Cancel a job that nobody waits for; where that fails it ends by its own time to live."""
    with suppress(ParleyError, TimeoutError):
        async with asyncio.timeout(subject.patience.cancel_seconds):
            await subject.cancel(job)


async def _written(  # noqa: PLR0913  what a run is made of
    subject: Subject, order: Order, notes: _Notes, *, number: int, at: datetime, wall: float
) -> Run:
    look = notes.look
    update = look.update if look else None
    answer: Answer | None = None
    cold: bool | None = None
    delay = (update.delay if update else None) or 0.0
    retries = look.retries if look else 0
    if update and update.is_final and notes.failure is None:
        answer = await read(
            update.output,
            order.expected,
            session=subject.session,
            endpoint=subject.id,
            within=_FETCH_SECONDS,
        )
        start = Start.read(answer.output)
        tells = order.expected.tells_start
        cold = was_cold(start=start, delay=delay, retries=retries, tells=tells)
        if order.all_cold and engines_were_warm(answer.output):
            cold = False
    facts = notes.facts(wrong=answer.wrong if answer else None, was_cold=cold)
    outcome = judge(facts)
    seconds, parts = wall, dict[str, float]()
    if answer:
        seconds, parts = split(
            wall=wall,
            delay=delay,
            execution=(update.execution if update else None) or 0.0,
            retries=retries,
            output=answer.output,
        )
    run = Run(
        number=number,
        at=at,
        outcome=outcome,
        seconds=round(seconds, _DIGITS),
        parts=_rounded(parts, whole=round(seconds, _DIGITS)),
        mishaps=mishaps(facts),
        code=notes.failure.code if notes.failure else None,
        detail=_text(_detail(notes, answer), most=_MOST_TEXT),
        job=_text(update.job, most=_MOST_NAME) if update else None,
        worker=_text(update.worker, most=_MOST_NAME) if update and update.worker else None,
        cold_by=None if cold is False or answer is None else ("reply" if cold else "count"),
        sights=tuple(Seen(after=sight.after, workers=sight.workers) for sight in notes.sights),
    )
    return run.model_copy(update={"billed_seconds": billed(run, idle=order.idle_seconds)})


def billed(run: Run, *, idle: float) -> float:
    """About how long the platform bills a worker for a run: start, work and idle time.

    What is not known is taken for billed: all of a run without parts but where no worker ran, and
    the waiting of one whose reply does not say when its worker began.
    """
    was_refused = run.outcome in {"unreachable", "refused"} and run.job is None
    if was_refused or run.outcome in {"no_worker", "no_capacity"}:
        return 0.0
    free = run.parts.get("queue", 0.0) + run.parts.get("network", 0.0)
    return min(MOST_SECONDS, float(math.ceil((run.seconds or 0.0) - free + idle)))


def _rounded(parts: Mapping[str, float], *, whole: float) -> dict[str, float]:
    """Round parts so that they still add up: the largest one takes what rounding leaves."""
    rounded = {name: round(seconds, _DIGITS) for name, seconds in parts.items()}
    if rounded:
        largest = max(rounded, key=lambda name: rounded[name])
        others = sum(seconds for name, seconds in rounded.items() if name != largest)
        rounded[largest] = round(max(0.0, whole - others), _DIGITS)
    return {name: seconds for name, seconds in rounded.items() if seconds > 0}


def _detail(notes: _Notes, answer: Answer | None) -> str:
    if notes.failure is not None:
        return str(notes.failure)
    if notes.late:
        state = notes.look.update.state if notes.look else "not accepted"
        return f"the deadline ended it; the job was {state}"
    return (answer.wrong or "") if answer else ""


def _text(text: str, *, most: int) -> str:
    """What somebody else wrote, as far as it can be kept."""
    return text.encode("utf-8", "replace").decode()[:most]
