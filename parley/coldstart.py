"""`parley coldstart`: cold starts tried again and again, judged, and compared."""

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from parley.extras import need

if TYPE_CHECKING:
    from parley.config import Config
    from planner.coldstart.command import Request
    from planner.coldstart.experiment import Ending

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")
"""The subcommands."""

_WHAT: Final = "What to ask"
_WHERE: Final = "Which endpoint"
_COLD: Final = "When it is cold"
_COST: Final = "What it may cost"
_SHOWN: Final = "What to show"
_DONE, _UNFIT, _RETRY = 0, 1, 3
_MAY_BE_NONE: Final = ("--settle", "--idle")


def _option(panel: str, text: str, *names: str, metavar: str = " ", **more: Any) -> Any:  # noqa: ANN401  as typer
    return typer.Option(*names, help=text, metavar=metavar, rich_help_panel=panel, **more)


def _finite(value: float | None) -> float | None:
    """Refuse what is no amount: a bound of nan bounds nothing."""
    if value is not None and not math.isfinite(value):
        message = f"{value} is no amount. Give a number."
        raise typer.BadParameter(message)
    return value


_File = Annotated[Path, typer.Argument(metavar="FILE", help="Keeps the runs, a line each.")]
_Criteria = Annotated[
    Path | None, _option(_SHOWN, "Criteria instead of the usual ones, in TOML.", metavar="FILE")
]
_Json = Annotated[
    str | None, _option(_SHOWN, "Write what was found; - prints it.", "--json", metavar="FILE")
]
_Chart = Annotated[
    Path | None, _option(_SHOWN, "Draw every run with its parts, as SVG.", metavar="FILE")
]
_Strict = Annotated[bool, _option(_SHOWN, "Exit with 1 unless it is accepted.", "--strict")]
_Endpoint = Annotated[
    str | None, _option(_WHERE, "The endpoint; else as `parley config` tells.", metavar="ID")
]
_AlsoCold = Annotated[
    list[str] | None,
    _option(_WHERE, "Must be cold too: those that an orchestrator asks.", metavar="ID"),
]
_ApiKey = Annotated[
    str | None, _option(_WHERE, "Better in RUNPOD_API_KEY: others can see flags.", metavar="KEY")
]
_BaseUrl = Annotated[str | None, _option(_WHERE, "Another platform than RunPod.", metavar="URL")]
_Config = Annotated[Path | None, _option(_WHERE, "Configuration file to read.", metavar="FILE")]
_Profile = Annotated[str | None, _option(_WHERE, "Profile in that file.", metavar="NAME")]
_Kind = Annotated[
    Literal["conversation", "transcribe", "diarize", "any"],
    _option(_WHAT, "What the endpoint answers; any: no endpoint of Parley's.", metavar="KIND"),
]
_Audio = Annotated[
    str | None, _option(_WHAT, "Recording: a file or URL. Default: a sample.", metavar="FILE")
]
_Input = Annotated[
    Path | None, _option(_WHAT, "The whole input of the job, as JSON.", "--input", metavar="FILE")
]
_Expect = Annotated[
    str, _option(_WHAT, "Words that a right answer holds.", "--expect", metavar="TEXT")
]
_Runs = Annotated[
    int, _option(_WHAT, "So many, those in FILE counted in.", "--runs", "-n", metavar="N", min=1)
]
_Within = Annotated[str, _option(_WHAT, "Deadline of a run: 90, 5m.", metavar="TIME")]
_CoolWithin = Annotated[str, _option(_COLD, "Deadline for workers to go.", metavar="TIME")]
_Settle = Annotated[str, _option(_COLD, "For so long none may be counted.", metavar="TIME")]
_AsleepAfter = Annotated[
    str | None, _option(_COLD, "Workers idle for so long count as gone.", metavar="TIME")
]
_Watch = Annotated[str, _option(_COLD, "Between two looks at the workers.", metavar="TIME")]
_Idle = Annotated[str, _option(_COST, "The endpoint's idle timeout: billed.", metavar="TIME")]
_Gpu = Annotated[
    list[str] | None,
    _option(_COST, "Pool of the workers, such as AMPERE_24.", "--gpu", metavar="POOL"),
]
_PerSecond = Annotated[
    float | None,
    _option(
        _COST,
        "Of a second of a worker, instead.",
        "--price",
        metavar="DOLLARS",
        min=0,
        callback=_finite,
    ),
]
_AskAbove = Annotated[
    float,
    _option(_COST, "Ask where it may be more.", metavar="DOLLARS", min=0, callback=_finite),
]
_AtMost = Annotated[
    float | None,
    _option(_COST, "Stop before it may be more.", metavar="DOLLARS", min=0, callback=_finite),
]
_Yes = Annotated[bool, _option(_COST, "Do not ask.", "--yes")]
_Label = Annotated[str, _option(_SHOWN, "What reports call it.", metavar="TEXT")]
_Note = Annotated[str, _option(_SHOWN, "What a reader should know.", metavar="TEXT")]
_Quiet = Annotated[bool, _option(_SHOWN, "Show what was found alone.", "--quiet", "-q")]


@app.callback()
def _coldstart() -> None:
    """Measure how reliably, and how fast, an endpoint starts from nothing."""


@app.command(no_args_is_help=True)
def run(  # noqa: PLR0913  one parameter an option
    file: _File,
    *,
    endpoint: _Endpoint = None,
    also_cold: _AlsoCold = None,
    api_key: _ApiKey = None,
    base_url: _BaseUrl = None,
    config: _Config = None,
    profile: _Profile = None,
    kind: _Kind = "conversation",
    audio: _Audio = None,
    job_input: _Input = None,
    expect: _Expect = "",
    runs: _Runs = 40,
    within: _Within = "10m",
    cool_within: _CoolWithin = "15m",
    settle: _Settle = "5s",
    asleep_after: _AsleepAfter = None,
    watch: _Watch = "2s",
    idle: _Idle = "5s",
    gpu: _Gpu = None,
    price: _PerSecond = None,
    ask_above: _AskAbove = 1.0,
    at_most: _AtMost = None,
    yes: _Yes = False,
    label: _Label = "",
    note: _Note = "",
    criteria: _Criteria = None,
    json_file: _Json = None,
    chart: _Chart = None,
    strict: _Strict = False,
    quiet: _Quiet = False,
) -> None:
    """Start an endpoint from nothing, again and again.

    Each time it waits until no worker is left, sends a job, and notes what came of it and where the
    time went. Run the same command again to go on. Ctrl-C cancels the job under way.

    [bold]Examples[/bold]
      parley coldstart run cold.jsonl --endpoint ID --gpu AMPERE_24
      parley coldstart run cold.jsonl --endpoint ID --kind transcribe --expect "good morning" -n 50
      parley coldstart run orch.jsonl --endpoint ID --also-cold ID --also-cold ID --yes

    [bold]Exit status[/bold]
      0    all runs are made, whatever came of them
      1    --strict, and it is not accepted; or workers were always warm
      2    wrong usage, configuration, endpoint or key, or a job that is refused
      3    it stopped early, and the same command goes on later
      130  interrupted by Ctrl-C
    """
    from parley.config import load  # noqa: PLC0415
    from parley.session import tell  # noqa: PLC0415

    if audio and job_input:
        message = "it contradicts --audio. Give one of both."
        raise typer.BadParameter(message, param_hint="--input")
    with _refusing():
        _check(criteria)
        flags = {"endpoint": endpoint, "api_key": api_key, "base_url": base_url}
        chosen, _ = load(flags, path=config, profile=profile)
        times = {
            "--within": within,
            "--cool-within": cool_within,
            "--settle": settle,
            "--asleep-after": asleep_after,
            "--watch": watch,
            "--idle": idle,
        }
        asked = _request(
            chosen,
            file,
            seconds={name: _seconds(name, text) for name, text in times.items()},
            expected=(kind, expect),
            job=(audio, job_input),
            also_cold=also_cold or [],
            runs=runs,
            price={
                "pools": tuple(gpu or ()),
                "dollars_per_second": price,
                "ask_above": ask_above,
                "at_most": at_most,
            },
            named=(label, note),
        )
        ending = _carry_out(asked, yes=yes, quiet=quiet)
        status = _shown(file, criteria, json_file=json_file, chart=chart, strict=strict)
    if ending == "budget":
        tell(
            "Stopped: the next run might cost more than was agreed to. Run the same command again "
            "to go on, with a higher --at-most where there is one.",
            style="yellow",
        )
        status = _RETRY
    raise typer.Exit(status)


@app.command(no_args_is_help=True)
def report(
    file: _File,
    *,
    criteria: _Criteria = None,
    json_file: _Json = None,
    chart: _Chart = None,
    strict: _Strict = False,
) -> None:
    """Show what the runs of a file say, with the verdicts."""
    with _refusing():
        status = _shown(file, criteria, json_file=json_file, chart=chart, strict=strict)
    raise typer.Exit(status)


@app.command(no_args_is_help=True)
def compare(
    first: Annotated[Path, typer.Argument(metavar="FIRST", help="Runs.")],
    second: Annotated[Path, typer.Argument(metavar="SECOND", help="Runs to hold against them.")],
    *,
    criteria: _Criteria = None,
    json_file: _Json = None,
    chart: _Chart = None,
) -> None:
    """Say whether the difference between two files of runs is real.

    Two providers, two images, with and without cached models.
    """
    with _refusing():
        from planner.coldstart.publish import Places, publish_comparison  # noqa: PLC0415

        places = Places(json_file=json_file, chart=chart)
        publish_comparison(first, second, places, criteria=criteria)


def _request(  # noqa: PLR0913  what a request is made of
    chosen: "Config",
    file: Path,
    *,
    seconds: dict[str, float | None],
    expected: tuple[Any, str],
    job: tuple[str | None, Path | None],
    also_cold: list[str],
    runs: int,
    price: dict[str, Any],
    named: tuple[str, str],
) -> "Request":
    from orchestrator.settings import RUNPOD  # noqa: PLC0415
    from planner.coldstart.answers import Expected  # noqa: PLC0415
    from planner.coldstart.command import Price, Request, job_of  # noqa: PLC0415
    from planner.coldstart.cooling import Cooling  # noqa: PLC0415

    kind, text = expected
    audio, raw = job
    missing = [
        flag
        for flag, key in (("--endpoint", "endpoint"), ("RUNPOD_API_KEY", "api_key"))
        if not chosen[key]
    ]
    if missing:
        message = f"Not set: {', '.join(missing)}. Give the flag or set the variable."
        raise typer.BadParameter(message)
    with _sample(audio, raw) as recording:
        job_input = job_of(kind, audio=recording, raw=raw)
    return Request(
        file=file,
        endpoint=chosen["endpoint"],
        also_cold=tuple(also_cold),
        api_key=chosen["api_key"].get_secret_value(),
        base_url=chosen["base_url"] or RUNPOD,
        job_input=job_input,
        expected=Expected(kind=kind, text=text),
        runs=runs,
        within=seconds["--within"] or 0.0,
        idle_seconds=seconds["--idle"] or 0.0,
        cooling=Cooling(
            within=seconds["--cool-within"] or 0.0,
            settle=seconds["--settle"] or 0.0,
            pause=seconds["--watch"] or 0.0,
            asleep_after=seconds["--asleep-after"],
        ),
        watch=seconds["--watch"] or 0.0,
        price=Price(**price),
        label=named[0],
        note=named[1],
    )


@contextmanager
def _sample(audio: str | None, raw: Path | None) -> Iterator[str | Path | None]:
    """What is asked about: what was given, or the sample."""
    if audio or raw:
        yield audio
        return
    import tempfile  # noqa: PLC0415

    from parley.emulate_guide import sample  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="parley-") as folder:
        found = sample(Path(folder))
        if found.is_relative_to(folder):  # nobody says a word in it
            message = "the sample is not installed. Give a recording in which somebody speaks."
            raise typer.BadParameter(message, param_hint="--audio")
        yield found


def _carry_out(asked: "Request", *, yes: bool, quiet: bool) -> "Ending":
    """Make the runs; a signal ends the command, with the job under way cancelled."""
    import asyncio  # noqa: PLC0415

    from parley.session import tell, until_interrupted  # noqa: PLC0415
    from planner.coldstart.command import run as make  # noqa: PLC0415
    from planner.coldstart.publish import teller  # noqa: PLC0415

    def say(text: str) -> None:
        if not quiet:
            tell(text, style="")

    def agreed(question: str) -> bool:
        return yes or (sys.stdin.isatty() and typer.confirm(question, err=True))

    endings: list[Ending] = []

    async def work() -> None:
        told = teller(asked.runs, say)
        endings.append(await make(asked, agreed=agreed, tell=say, told=told))

    caught = asyncio.run(until_interrupted(work(), say=say))
    if caught is not None:
        raise typer.Exit(128 + caught)
    return endings[0]


def _shown(
    file: Path, criteria: Path | None, *, json_file: str | None, chart: Path | None, strict: bool
) -> int:
    from planner.coldstart.publish import Places, publish  # noqa: PLC0415

    found = publish(file, Places(json_file=json_file, chart=chart), criteria=criteria)
    return _UNFIT if strict and found.overall != "accepted" else _DONE


def _check(criteria: Path | None) -> None:
    """Refuse criteria that cannot be before anything is spent."""
    from planner.coldstart.verdicts import FILE, Criteria  # noqa: PLC0415

    Criteria.read(criteria or FILE)


def _seconds(name: str, text: str | None) -> float | None:
    from parley.choices import duration  # noqa: PLC0415

    if text is None:
        return None
    try:
        seconds = float(str(duration(text)))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=name) from None
    if not seconds and name not in _MAY_BE_NONE:
        message = "it is no time at all. Give more than 0."
        raise typer.BadParameter(message, param_hint=name)
    return seconds


@contextmanager
def _refusing() -> Iterator[None]:
    """Turn what cannot be into one sentence and its exit status."""
    from parley.session import refusing, tell  # noqa: PLC0415

    need("numpy", "matplotlib")
    from planner.errors import PlanError  # noqa: PLC0415

    with refusing():
        try:
            yield
        except PlanError as error:
            tell(str(error), style="red")
            raise typer.Exit(error.status) from None
