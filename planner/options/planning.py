"""From what was asked to the answer: what `parley plan` does."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from handlers.prices import HOUR, PriceList, PriceUnknown, Rate
from planner.errors import AccountError, AnswerUnwritable, LogRowsBad, PriceMissing
from planner.money.catalog import refresh
from planner.options.advice import LARGEST, Goal
from planner.options.own_replies import Measured, read_replies
from planner.options.plan import Premises
from planner.options.report import body, show
from planner.options.speeds import DEFAULT, read_speeds
from planner.options.strategies import ORCHESTRATOR_VCPUS, SHAPES
from planner.options.study import Study, Told, study
from planner.simulator.shapes import WORKERS_QUOTA, ShapeName
from planner.traffic.log import read_log
from planner.traffic.log_columns import Columns
from planner.traffic.making import make_trace
from planner.traffic.profile import Profile
from planner.traffic.trace import Trace

ASSUMED_VCPU_HOUR: Final = 0.03
"""Dollars: the example in RunPod's API description, which prices no CPU anywhere."""
_ORCHESTRATOR_FLAVOR: Final = "cpu3c"
_STDOUT: Final = "-"
"""Of what goes into a file, where no terminal says its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the user wants to know.

    Attributes:
        log: of requests; None where a profile is given.
        profile: a name or a file.
        seed: of what a profile makes.
        columns: of the log.
        since: when the log begins.
        until: when it ends.
        default_audio: seconds of a request whose audio the log does not tell.
        skip_bad: leave bad rows out.
        goal: what is wanted.
        shapes: to choose among.
        quota: workers of the account.
        gpu: pool whose price counts; None for the one that the speeds belong to.
        cpu_price: dollars for an hour of the orchestrator's worker; None where nobody says.
        speeds: a set's name or a file.
        replies: folder of the user's own, instead of it.
        placing: seconds in which a machine is found before each start.
        largest: how many times the traffic is looked at.
        json: where the answer goes as JSON; `-` for the standard output, alone.
        pictures: folder for pictures.

    """

    log: Path | None = None
    profile: str | None = None
    seed: int = 0
    columns: Columns
    since: datetime | None = None
    until: datetime | None = None
    default_audio: float | None = None
    skip_bad: bool = False
    goal: Goal
    shapes: Sequence[ShapeName] = SHAPES
    quota: int = WORKERS_QUOTA
    gpu: str | None = None
    cpu_price: float | None = None
    speeds: str = DEFAULT
    replies: Path | None = None
    placing: float = 0.0
    largest: float = LARGEST
    json: str | None = None
    pictures: Path | None = None


def answer(asked: Asked, *, prices: PriceList, out: Console, err: Console, today: date) -> Study:
    """Find the answer, show it, and write it where it was asked for.

    Args:
        asked: what is to be found out.
        prices: of workers.
        out: for the answer.
        err: for progress, and what was left out.
        today: of the user's replies.

    Raises:
        PlanError: it cannot be found, or not be written.

    """
    with _progress(err) as told:
        trace, source = _traffic(asked, told=told, err=err)
        measured = _speeds(asked, today=today)
        cpu, basis = _cpu(asked, prices)
        premises = Premises(
            trace=trace,
            traffic_source=source,
            speeds=measured.speeds,
            gpu=_gpu(asked, measured, prices),
            cpu=cpu,
            cpu_basis=basis,
            quota=asked.quota,
            placing=asked.placing,
        )
        found = study(
            premises, goal=asked.goal, shapes=asked.shapes, largest=asked.largest, told=told
        )
    text = json.dumps(body(found), indent=1, allow_nan=False) + "\n"
    if asked.json == _STDOUT:
        out.file.write(text)
    else:
        show(found, out)
    _write(asked, found, text, err=err)
    return found


def prices_of_today(variables: Mapping[str, str], *, err: Console) -> PriceList:
    """Give the published prices, and where there is a key to ask with those of the catalog.

    Args:
        variables: the environment.
        err: told where RunPod does not say them.

    """
    listed = PriceList.read()
    if not variables.get("RUNPOD_API_KEY"):
        return listed
    try:
        return refresh(listed, variables=variables)
    except AccountError as error:
        told = f"{error} The published prices are used."
        err.print(told, style="yellow", markup=False, soft_wrap=True)
        return listed


def _traffic(asked: Asked, *, told: Told, err: Console) -> tuple[Trace, str]:
    """Give the requests, and where they are from."""
    if asked.log is None:
        name = asked.profile or ""
        told(f"Making the requests of {name}", 0, None)
        return make_trace(Profile.read(name), seed=asked.seed), f"profile {name}, seed {asked.seed}"

    def left_out(bad: LogRowsBad) -> None:
        told = f"{bad.count:,} bad rows of {asked.log} were left out."
        err.print(told, style="yellow", markup=False)

    trace = read_log(
        asked.log,
        columns=asked.columns,
        since=asked.since,
        until=asked.until,
        default_audio=asked.default_audio,
        skip_bad=asked.skip_bad,
        skipped=left_out,
        told=lambda rows: told("Reading the log", rows, None),
    )
    return trace, f"log {asked.log.name}"


def _speeds(asked: Asked, *, today: date) -> Measured:
    """Give how long work takes, and what a worker costs where replies say it."""
    speeds = read_speeds(asked.speeds)
    if asked.replies is None:
        return Measured(speeds=speeds, dollars_per_second=None)
    return read_replies(asked.replies, base=speeds, day=today)


def _gpu(asked: Asked, measured: Measured, prices: PriceList) -> Rate:
    """Give the price of the pool that is named, of the replies' workers, or of the speeds' pool."""
    if asked.gpu is None and measured.dollars_per_second is not None:
        return Rate(
            name="of the replies",
            dollars_per_second=measured.dollars_per_second,
            source=f"the dearest in {asked.replies}",
        )
    try:
        return prices.gpu(asked.gpu or measured.speeds.pool)
    except PriceUnknown as error:
        known = ", ".join(prices.pools)
        raise PriceMissing(reason=str(error), advice=f"Known are {known} (--gpu).") from None


def _cpu(asked: Asked, prices: PriceList) -> tuple[Rate, str]:
    """Give the price of the orchestrator's worker, and whether somebody says it."""
    if asked.cpu_price is not None:
        price, source = asked.cpu_price, "--cpu-price"
        return Rate(name="CPU", dollars_per_second=price / HOUR, source=source), "given"
    try:
        return prices.cpu(_ORCHESTRATOR_FLAVOR, vcpus=ORCHESTRATOR_VCPUS), "documented"
    except PriceUnknown:
        price = ASSUMED_VCPU_HOUR * ORCHESTRATOR_VCPUS
        source = "RunPod publishes none; the example of its API description (--cpu-price)"
        name = f"{ORCHESTRATOR_VCPUS} vCPUs"
        return Rate(name=name, dollars_per_second=price / HOUR, source=source), "assumed"


def _write(asked: Asked, found: Study, text: str, *, err: Console) -> None:
    """Write files that were asked for, and say where they are."""
    written: list[Path] = []
    try:
        if asked.json is not None and asked.json != _STDOUT:
            written.append(Path(asked.json))
            Path(asked.json).write_text(text, encoding="utf-8")
        if asked.pictures is not None:
            from planner.options.pictures import draw  # noqa: PLC0415  matplotlib takes a second

            written += draw(found, asked.pictures)
    except OSError as error:
        place = error.filename or asked.pictures or asked.json
        raise AnswerUnwritable(str(place), reason=error.strerror or str(error)) from None
    if written:
        err.print(f"Written: {', '.join(map(str, written))}", markup=False, soft_wrap=True)


@contextmanager
def _progress(err: Console) -> Iterator[Told]:
    """Show what is being done; where nobody watches, only when something new begins."""
    bars = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=err,
        transient=True,
        disable=not err.is_terminal,
    )
    with bars:
        task = bars.add_task("", total=None)
        seen: list[str] = []

        def told(what: str, done: int, whole: int | None) -> None:
            if what not in seen[-1:]:
                seen.append(what)
                bars.reset(task, description=what)
                if not err.is_terminal and len(seen) == 1:
                    err.print(f"{what} ...", style="dim", markup=False)
            bars.update(task, completed=done, total=whole)

        yield told
