"""`parley plan`: which shape, how warm, at what cost, for one's own traffic."""

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from parley.extras import need

if TYPE_CHECKING:
    from planner.simulator.shapes import ShapeName

_TRAFFIC: Final = "The traffic"
_WISH: Final = "What is wanted"
_BASE: Final = "What it is computed with"
_OUTPUT: Final = "What to write"


def _option(panel: str, text: str, *names: str, metavar: str = " ", **more: Any) -> Any:  # noqa: ANN401  as typer
    return typer.Option(*names, help=text, metavar=metavar, rich_help_panel=panel, **more)


_Log = Annotated[Path | None, typer.Argument(metavar="LOG", help="Requests: CSV or JSON lines.")]
_Profile = Annotated[
    str | None,
    _option(_TRAFFIC, "Make the traffic of a profile: brief, busy, or a file.", metavar="NAME"),
]
_Seed = Annotated[int, _option(_TRAFFIC, "Of what a profile makes.", metavar="N", min=0)]
_Record = Annotated[
    str | None,
    _option(_TRAFFIC, "First watch this endpoint's jobs, and add them to LOG.", metavar="ID"),
]
_Hours = Annotated[
    float,
    _option(
        _TRAFFIC, "How long to watch; Ctrl-C ends it earlier.", metavar="N", min=0.001, max=744
    ),
]
_SkipBad = Annotated[bool, _option(_TRAFFIC, "Leave bad rows of the log out.", "--skip-bad")]
_DefaultAudio = Annotated[
    float | None,
    _option(
        _TRAFFIC,
        "Seconds of requests whose audio the log does not tell.",
        metavar="SECONDS",
        min=0.001,
    ),
]
_Since = Annotated[datetime | None, _option(_TRAFFIC, "When the log begins, UTC.", metavar="TIME")]
_Until = Annotated[datetime | None, _option(_TRAFFIC, "When the log ends, UTC.", metavar="TIME")]
_Time = Annotated[
    str | None, _option(_TRAFFIC, "Column of the time, else found.", metavar="COLUMN")
]
_Audio = Annotated[
    str | None, _option(_TRAFFIC, "Column of the audio's seconds, else found.", metavar="COLUMN")
]
_User = Annotated[
    str | None, _option(_TRAFFIC, "Column of the user, else found.", metavar="COLUMN")
]
_P95 = Annotated[
    float | None,
    _option(
        _WISH,
        "The cheapest that answers 95 % within so many seconds. Default: 30.",
        "--p95",
        metavar="SECONDS",
        min=0.001,
    ),
]
_Budget = Annotated[
    float | None,
    _option(_WISH, "The fastest for so many dollars a month.", metavar="DOLLARS", min=0.0),
]
_Shapes = Annotated[
    list[str] | None,
    _option(_WISH, "Only these: single, split, orch; single,split.", "--shape", metavar="SHAPE"),
]
_Quota = Annotated[
    int, _option(_WISH, "Workers that the account allows in all.", metavar="N", min=1, max=1000)
]
_Gpu = Annotated[
    str | None, _option(_BASE, "Pool whose price counts, as AMPERE_24.", metavar="POOL")
]
_CpuPrice = Annotated[
    float | None,
    _option(
        _BASE,
        "Dollars for an hour of the orchestrator's worker (2 vCPUs); else assumed.",
        metavar="DOLLARS",
        min=0.0,
    ),
]
_Speeds = Annotated[str, _option(_BASE, "documents, l4, cpu, or a file of speeds.", metavar="NAME")]
_Placing = Annotated[
    float,
    _option(
        _BASE, "Seconds in which a machine is found before each start.", metavar="SECONDS", min=0.0
    ),
]
_Replies = Annotated[
    Path | None,
    _option(_BASE, "Folder of your endpoints' replies: speeds are measured.", metavar="DIR"),
]
_Largest = Annotated[
    float,
    _option(
        _WISH,
        "Look for other answers at up to so many times the traffic; 1: do not.",
        "--volumes",
        metavar="N",
        min=1,
        max=1000,
    ),
]
_Json = Annotated[
    str | None, _option(_OUTPUT, "The answer for programs; - for the output.", metavar="FILE")
]
_Pictures = Annotated[
    Path | None, _option(_OUTPUT, "Folder for three pictures, SVG.", metavar="DIR")
]


def plan(  # noqa: PLR0913  one parameter an option
    log: _Log = None,
    *,
    profile: _Profile = None,
    seed: _Seed = 0,
    record: _Record = None,
    hours: _Hours = 24.0,
    skip_bad: _SkipBad = False,
    default_audio: _DefaultAudio = None,
    since: _Since = None,
    until: _Until = None,
    time_column: _Time = None,
    audio_column: _Audio = None,
    user_column: _User = None,
    p95: _P95 = None,
    budget: _Budget = None,
    shapes: _Shapes = None,
    quota: _Quota = 5,
    volumes: _Largest = 64.0,
    gpu: _Gpu = None,
    cpu_price: _CpuPrice = None,
    speeds: _Speeds = "documents",
    replies: _Replies = None,
    placing: _Placing = 0.0,
    json: _Json = None,
    pictures: _Pictures = None,
) -> None:
    """Which shape, how warm, at what cost: simulated with your own traffic.

    Every shape is simulated with every strategy of keeping workers warm, by RunPod's rules.

    [bold]Examples[/bold]
      parley plan --profile brief
      parley plan requests.csv --p95 30
      parley plan requests.csv --budget 50 --replies replies --gpu AMPERE_24
      parley plan requests.jsonl --json plan.json --pictures plan
      parley plan jobs.jsonl --record ENDPOINT --hours 24

    [bold]Exit status[/bold]
      0    there is an answer
      1    it could not be found, or not be written
      2    wrong usage, or a log, profile or file of speeds that cannot be used
      3    RunPod did not answer; the same command may succeed later
    """
    if (log is None) == (profile is None):
        message = "Give either a LOG of requests or --profile."
        raise typer.BadParameter(message, param_hint="LOG")
    if record is not None and log is None:
        message = "it needs a LOG to write to."
        raise typer.BadParameter(message, param_hint="--record")
    if p95 is not None and budget is not None:
        message = "it contradicts --p95. Give one of both."
        raise typer.BadParameter(message, param_hint="--budget")
    need("numba", "numpy", "matplotlib")
    from handlers.errors import ParleyError  # noqa: PLC0415  what is heavy loads when needed
    from planner.errors import PlanError  # noqa: PLC0415
    from planner.options.advice import DEFAULT_P95, Goal  # noqa: PLC0415
    from planner.options.planning import Asked, answer, prices_of_today  # noqa: PLC0415
    from planner.screen import console  # noqa: PLC0415
    from planner.traffic.log_columns import Columns  # noqa: PLC0415
    from planner.traffic.recording import record as watch  # noqa: PLC0415

    chosen = _shapes(shapes)
    if budget is not None:
        goal = Goal(kind="budget", most=budget, stated=True)
    else:
        goal = Goal(kind="p95", most=p95 or DEFAULT_P95, stated=p95 is not None)
    asked = Asked(
        log=log,
        profile=profile,
        seed=seed,
        columns=Columns(time=time_column, audio=audio_column, user=user_column),
        since=_utc(since),
        until=_utc(until),
        skip_bad=skip_bad,
        default_audio=default_audio,
        goal=goal,
        shapes=chosen,
        quota=quota,
        gpu=gpu,
        cpu_price=cpu_price,
        speeds=speeds,
        replies=replies,
        placing=placing,
        largest=volumes,
        json=json,
        pictures=pictures,
    )
    err = console(stderr=True)
    try:
        if record is not None and log is not None:
            watched = watch(record, into=log, hours=hours, variables=os.environ, err=err)
            if watched.is_all:
                begins, ends = asked.since or watched.since, asked.until or watched.until
                asked = replace(asked, since=begins, until=ends)
        prices = prices_of_today(os.environ, err=err)
        answer(asked, prices=prices, out=console(), err=err, today=datetime.now(UTC).date())
    except (PlanError, ParleyError) as error:
        err.print(str(error), style="red", markup=False, soft_wrap=True)
        retryable = isinstance(error, ParleyError) and error.retryable
        status = error.status if isinstance(error, PlanError) else 3 if retryable else 2
        raise typer.Exit(status) from None


def _utc(moment: datetime | None) -> datetime | None:
    """Typer reads times without a zone."""
    return moment.replace(tzinfo=UTC) if moment else None


def _shapes(named: list[str] | None) -> tuple["ShapeName", ...]:
    from planner.options.strategies import SHAPES  # noqa: PLC0415

    names = [name.strip() for text in named or () for name in text.split(",")]
    unknown = [name for name in names if name not in SHAPES]
    if unknown:
        message = f"there is no shape {', '.join(unknown)}, but {', '.join(SHAPES)}."
        raise typer.BadParameter(message, param_hint="--shape")
    return tuple(shape for shape in SHAPES if shape in names or not names)
