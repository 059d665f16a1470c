"""What can be chosen: a shape, and how warm its workers are kept."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import time
from typing import Final, Literal, get_args

from planner.errors import QuotaTooSmall
from planner.options.speeds import Speeds
from planner.simulator.fleet import FleetRules
from planner.simulator.hours import HoursSchedule
from planner.simulator.shapes import ROLES, WORKERS_QUOTA, Fleet, Role, Shape, ShapeName, Speed

Starts = Literal["cached", "downloading", "flashboot"]
"""Whether a start finds all weights, downloads the diarizer's, or may be a revival."""

SHAPES: Final[tuple[ShapeName, ...]] = get_args(ShapeName)
IDLE_SECONDS: Final = (5, 60, 300, 600, 1800)
"""RunPod's default, that of Parley's manifests, and longer ones."""
ORCHESTRATOR_VCPUS: Final = 2
MANIFEST_IDLE: Final = 60.0
MANIFEST_TIMEOUT: Final = 3600.0
"""Seconds that the manifests give a job of a GPU endpoint; RunPod's default is 600."""
_HOURS: Final = (6, 12, 16)
_PING_SECONDS: Final = 300.0
"""The shortest period of free schedulers, such as that of GitHub Actions."""
_DAY_HOURS: Final = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """How warm the workers of each endpoint are kept.

    Attributes:
        name: for people; no other strategy has it.
        kind: of strategies that differ in numbers alone.
        idle_seconds: before a worker above the minimum is stopped.
        kept: workers that are always there; None for as many as there may be.
        grows: whether there may be more than are kept.
        hours: in UTC, in which one worker is kept; the first may be the later one.
        ping_every: seconds between jobs that only keep a worker awake.

    """

    name: str
    kind: Literal["always", "min", "hours", "reactive", "pings"]
    idle_seconds: float = MANIFEST_IDLE
    kept: int | None = 0
    grows: bool = True
    hours: tuple[int, int] | None = None
    ping_every: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """A shape with a strategy.

    Attributes:
        shape: one of `SHAPES`.
        strategy: of all its endpoints alike.
        starts: what a start finds.

    """

    shape: ShapeName
    strategy: Strategy
    starts: Starts = "cached"

    @property
    def name(self) -> str:
        suffix = "" if self.starts == "cached" else f" ({self.starts})"
        return f"{self.shape}, {self.strategy.name}{suffix}"


def strategies(by_hour: Sequence[int]) -> tuple[Strategy, ...]:
    """Give what is worth trying; active hours follow the traffic.

    Args:
        by_hour: requests that came in each of the 24 hours of the day, UTC.

    """
    always = (
        Strategy(name="always on, 1 worker", kind="always", kept=1, grows=False),
        Strategy(name="always on, all workers", kind="always", kept=None),
    )
    least = tuple(Strategy(name=f"min workers {n}", kind="min", kept=n) for n in (1, 2))
    hours = tuple(_active(busiest_hours(by_hour, length)) for length in _HOURS)
    reactive = tuple(
        Strategy(name=f"idle {_length(idle)}", kind="reactive", idle_seconds=idle)
        for idle in IDLE_SECONDS
    )
    pings = tuple(
        Strategy(
            name=f"ping {_length(_PING_SECONDS)}, idle {_length(idle)}",
            kind="pings",
            idle_seconds=idle,
            ping_every=_PING_SECONDS,
        )
        for idle in (MANIFEST_IDLE, _PING_SECONDS + 30)
    )
    return (*always, *least, *hours, *reactive, *pings)


def busiest_hours(by_hour: Sequence[int], length: int) -> tuple[int, int]:
    """Give begin and end of the hours on end in which most requests came; the earliest of equals.

    Args:
        by_hour: requests of each of the 24 hours of the day, UTC.
        length: hours, below 24.

    """
    around = [*by_hour, *by_hour]
    sums = [sum(around[begin : begin + length]) for begin in range(_DAY_HOURS)]
    begin = sums.index(max(sums))
    return begin, (begin + length) % _DAY_HOURS


def options(
    found: Iterable[Strategy], *, shapes: Sequence[ShapeName], quota: int = WORKERS_QUOTA
) -> tuple[Option, ...]:
    """Combine shapes with strategies, as far as the account's workers go.

    Raises:
        QuotaTooSmall: they go for none of the shapes.

    """
    possible = [
        Option(shape=shape, strategy=strategy)
        for shape in shapes
        for strategy in found
        if _fits(strategy, most_workers(shape, quota=quota))
    ]
    if not possible:
        least = min(len(ROLES[shape]) for shape in shapes)
        raise QuotaTooSmall(quota, shapes=shapes, least=least)
    return tuple(possible)


def most_workers(shape: ShapeName, *, quota: int = WORKERS_QUOTA) -> Mapping[Role, int]:
    """Divide the account's workers among the endpoints of a shape; none may be left without.

    The orchestrator needs one; of an odd number diarization, which takes longer, gets one more.
    """
    if shape == "single":
        return {"single": quota}
    left = quota - (shape == "orch")
    shares: dict[Role, int] = {"transcription": left // 2, "diarization": left - left // 2}
    return {"orchestrator": 1, **shares} if shape == "orch" else shares


def wired(
    option: Option, speeds: Speeds, *, quota: int = WORKERS_QUOTA, placing: float = 0.0
) -> Shape:
    """Give the rules and speeds of an option's endpoints.

    Args:
        option: what is chosen.
        speeds: how long work and starts take.
        quota: workers of the account.
        placing: seconds before each cold start in which a machine is found.

    """
    most = most_workers(option.shape, quota=quota)
    fleets = {
        role: Fleet(
            rules=_rules(option, speeds, role, most=most[role], placing=placing),
            speed=Speed(
                fixed_seconds=speeds.roles[role].fixed.middle,
                per_audio_second=speeds.roles[role].per_audio_second.middle,
            ),
        )
        for role in ROLES[option.shape]
    }
    return Shape(name=option.shape, fleets=fleets, workers_quota=quota)


def settings(option: Option, *, quota: int = WORKERS_QUOTA) -> Mapping[Role, Mapping[str, object]]:
    """What the manifest of the shape has to say of each endpoint: keys as in deploy/manifests."""
    strategy = option.strategy
    wanted: dict[Role, Mapping[str, object]] = {}
    for role, most in most_workers(option.shape, quota=quota).items():
        kept, top = _workers(strategy, most)
        told: dict[str, object] = {
            "workers.min": kept,
            "workers.max": top,
            "workers.idle_seconds": int(strategy.idle_seconds),
        }
        if strategy.hours:
            told["warm.workers"] = 1
            told["warm.hours"] = _clock(strategy.hours)
        wanted[role] = told
    return wanted


def _rules(option: Option, speeds: Speeds, role: Role, *, most: int, placing: float) -> FleetRules:
    strategy, speed = option.strategy, speeds.roles[role]
    kept, top = _workers(strategy, most)
    rules = FleetRules(
        start_seconds=speed.starts["cached"].middle,
        workers_min=kept,
        workers_max=top,
        idle_seconds=strategy.idle_seconds,
        concurrency=speed.at_once,
        placing_seconds=placing,
        schedule=_schedule(strategy.hours) if strategy.hours else None,
        ping_every=strategy.ping_every,
        timeout_seconds=MANIFEST_TIMEOUT,
    )
    if option.starts == "downloading" and "downloading" in speed.starts:
        return replace(rules, start_seconds=speed.starts["downloading"].middle)
    if option.starts == "flashboot" and speeds.flashboot:
        flash = speeds.flashboot
        return replace(rules, revival_seconds=flash.seconds.middle, revival_window=flash.window)
    return rules


def _workers(strategy: Strategy, most: int) -> tuple[int, int]:
    """How many workers are kept, and how many there may be."""
    kept = most if strategy.kept is None else min(strategy.kept, most)
    return kept, most if strategy.grows else kept


def _fits(strategy: Strategy, most: Mapping[Role, int]) -> bool:
    """Whether every endpoint gets a worker, and those of GPUs as many as are to be kept."""
    enough = (most[role] >= (strategy.kept or 1) for role in most if role != "orchestrator")
    return min(most.values()) >= 1 and all(enough)


def _active(hours: tuple[int, int]) -> Strategy:
    return Strategy(name=f"active {_clock(hours)}", kind="hours", hours=hours)


def _schedule(hours: tuple[int, int]) -> HoursSchedule:
    begin, end = hours
    return HoursSchedule(begins=time(begin), ends=time(end))


def _clock(hours: tuple[int, int]) -> str:
    begin, end = hours
    return f"{begin:02}:00-{end:02}:00"


def _length(seconds: float) -> str:
    """Say a time as people do."""
    minutes, rest = divmod(int(seconds), 60)
    if not minutes:
        return f"{rest} s"
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"


def gpu_roles(shape: ShapeName) -> Iterator[Role]:
    """Give the roles of a shape whose workers have a GPU."""
    return (role for role in ROLES[shape] if role != "orchestrator")
