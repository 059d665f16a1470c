"""What a plan rests on: each number with where it is from."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from handlers.prices import Rate
from planner.options.plan import Premises
from planner.options.speeds import Basis, Figure, RoleSpeed, Speeds
from planner.simulator.shapes import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """A number that an answer rests on.

    Attributes:
        name: what it is.
        value: as it was computed with.
        unit: of it.
        basis: whether it was measured, is claimed by somebody, is assumed, or is a price or a rule
            that RunPod documents.
        source: who says it.
        date: of when, ISO; None where the source carries it or has none.
        low: the least that is said, where more than one number is.
        high: the most.
        role: whose speed or start it is; None for all else.
        kind: what of it: `work`, `start`, or `jobs at once`.

    """

    name: str
    value: float
    unit: str
    basis: str
    source: str
    date: str | None = None
    low: float | None = None
    high: float | None = None
    role: Role | None = None
    kind: str = ""

    @property
    def shown(self) -> str:
        """The value with its unit."""
        return f"{self.value:,.6g} {self.unit}"

    def body(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self)


def inputs(premises: Premises) -> tuple[Input, ...]:
    """List all of them."""
    trace = premises.trace
    traffic = Input(
        name="traffic",
        value=float(len(trace)),
        unit=f"requests in {trace.days:.4g} days",
        basis="given",
        source=premises.traffic_source,
        date=f"{trace.start:%Y-%m-%d}",
    )
    speeds = (
        figure for role, speed in premises.speeds.roles.items() for figure in _of_role(role, speed)
    )
    return (
        traffic,
        _price("a GPU worker", premises.gpu, basis="documented"),
        _price("the orchestrator", premises.cpu, basis=premises.cpu_basis),
        *speeds,
        *_flashboot(premises.speeds),
        *_rules(premises),
    )


def claims(found: tuple[Input, ...]) -> tuple[Input, ...]:
    """Give those that nobody measured and no price list or rule of RunPod's says."""
    return tuple(item for item in found if item.basis in {"claimed", "assumed"})


def _price(what: str, rate: Rate, *, basis: str) -> Input:
    return Input(
        name=f"price of {what}, {rate.name}",
        value=rate.dollars_per_second,
        unit="dollars a second",
        basis=basis,
        source=rate.source,
    )


def _of_role(role: Role, speed: RoleSpeed) -> Iterator[Input]:
    def told(what: str, figure: Figure, unit: str, *, start: bool = False) -> Input:
        origin = speed.start if start else speed.work
        exact = figure.low == figure.high
        return Input(
            name=f"{role}: {what}",
            value=figure.middle,
            unit=unit,
            basis=origin.basis,
            source=origin.source,
            date=origin.day.isoformat(),
            low=None if exact else figure.low,
            high=None if exact else figure.high,
            role=role,
            kind="start" if start else "work",
        )

    yield told("work, whatever the audio", speed.fixed, "seconds")
    yield told("work for a second of audio", speed.per_audio_second, "seconds")
    for kind, figure in speed.starts.items():
        yield told(f"start, {kind}", figure, "seconds", start=True)
    known = role == "orchestrator"
    yield Input(
        name=f"{role}: jobs that a worker does at once, each at full pace",
        value=float(speed.at_once),
        unit="jobs",
        basis="measured" if known else "assumed",
        source="make fanout" if known else "several jobs at once on one GPU were not measured",
        role=role,
        kind="jobs at once",
    )


def _flashboot(speeds: Speeds) -> Iterator[Input]:
    flash = speeds.flashboot
    if flash is None:
        return
    figure, origin = flash.seconds, flash.origin
    exact = figure.low == figure.high
    yield Input(
        name="a revival by FlashBoot",
        value=figure.middle,
        unit="seconds",
        basis=origin.basis,
        source=origin.source,
        date=origin.day.isoformat(),
        low=None if exact else figure.low,
        high=None if exact else figure.high,
    )
    yield Input(
        name="how long FlashBoot can revive a worker",
        value=flash.window,
        unit="seconds",
        basis="assumed",
        source="documented nowhere",
        date=origin.day.isoformat(),
    )


def _rules(premises: Premises) -> Iterator[Input]:
    def rule(name: str, value: float, unit: str, *, basis: Basis | str, source: str) -> Input:
        return Input(name=name, value=value, unit=unit, basis=basis, source=source)

    yield rule(
        "workers that the account allows",
        premises.quota,
        "workers",
        basis="given",
        source="--quota; RunPod allows new accounts 5",
    )
    yield rule(
        "waiting that starts one more worker",
        4,
        "seconds",
        basis="documented",
        source="RunPod's default, QUEUE_DELAY; the manifests'",
    )
    yield rule(
        "finding a machine before a start",
        premises.placing,
        "seconds",
        basis="given" if premises.placing else "assumed",
        source="--placing; claimed starts include it, measured ones do not",
    )
    yield rule(
        "a month",
        30,
        "days",
        basis="given",
        source="what a month is wherever Parley counts in them",
    )
