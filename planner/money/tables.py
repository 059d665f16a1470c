"""The tables of the project's first documents, computed: `python -m planner.money.tables [FILE]`.

Twice: by the documents' own rules, and by RunPod's, which bill a worker by the second from its
container's start to its end, idle timeout included, and neither building nor pulling images
(https://docs.runpod.io/serverless/pricing). Where the two differ, a line says why.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from handlers.prices import PriceList
from planner.errors import PlanError
from planner.money.table_inputs import INPUTS, Inputs, Range, Reactive, Requests, Schedules, Weights
from planner.screen import console

_HOUR: Final = 3600.0
_MINUTE: Final = 60.0


@dataclass(frozen=True, slots=True)
class Row:
    """One figure, by both rules.

    Attributes:
        name: what it is of.
        unit: `$`, `min`, `h` or `%`.
        documents: by the documents' rules.
        runpod: by RunPod's; None where these say nothing else.
        why: the difference, in a line.

    """

    name: str
    unit: str
    documents: Range
    runpod: Range | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Figures that belong together."""

    title: str
    rows: tuple[Row, ...]


def tables(inputs: Inputs, prices: PriceList) -> list[Table]:
    """Compute all tables.

    Args:
        inputs: figures of the documents.
        prices: RunPod's.

    Raises:
        PriceUnknown: the list has no price of a pool that is named.

    """
    return [
        of_requests(inputs.requests, prices),
        of_months(inputs.requests, prices),
        of_sequence(inputs.requests),
        of_schedules(inputs.schedules, prices),
        of_reactive(inputs.reactive, prices),
        of_weights(inputs.weights, prices),
    ]


def of_requests(given: Requests, prices: PriceList) -> Table:
    """What a request costs, by part and by shape."""
    documents, alone = _shapes(given), _shapes_alone(given, prices)
    parts = _parts(given)
    idle = f"start and {given.runpod.idle_seconds:g} s of idle timeout of a worker of its own"
    why = {
        "single": f"RunPod bills {idle} too; requests that follow one another share them",
        "split": "the same twice, but cached weights make both starts short",
        "orch": "and the CPU worker for all of its wait, not for a second",
    }
    rows = [Row(f"{part}, one request", "$", cost) for part, cost in parts.items()]
    rows += [
        Row(f"{shape}, one request", "$", cost, alone[shape], why[shape])
        for shape, cost in documents.items()
    ]
    minutes = given.audio_seconds / _MINUTE
    rows.append(Row("single, an audio minute", "$", documents["single"] * (1 / minutes)))
    return Table(f"A request of {given.audio_seconds:g} s of audio", tuple(rows))


def of_months(given: Requests, prices: PriceList) -> Table:
    """What a month costs; by RunPod's rules, as if no request came soon after another."""
    alone = _shapes_alone(given, prices)
    why = "every request alone, with a start; `parley plan` simulates who shares one"
    return Table(
        "A month",
        tuple(
            Row(f"{shape}, {count:,} requests", "$", cost * count, alone[shape] * count, why)
            for count in given.per_month
            for shape, cost in _shapes(given).items()
        ),
    )


def of_sequence(given: Requests) -> Table:
    """Both engines one after the other, against both at once: time, and money."""
    both = given.transcription_seconds, given.diarization_seconds
    together = Range(max(one.low for one in both), max(one.high for one in both))
    after = both[0] + both[1]
    slower = after.over(together)
    longest = given.diarization_seconds.high
    middle = (given.transcription_seconds.low + given.transcription_seconds.high) / 2
    cost = after * given.dollars_per_second
    return Table(
        "Split: one after the other, against both at once",
        (
            Row("seconds, at once", "s", together),
            Row("seconds, one after the other", "s", after),
            Row(
                "slower, by their 50 %",
                "%",
                Range.of(((longest + middle) / longest - 1) * 100),
                why=f"{middle:g} s of transcription after {longest:g} s of diarization, of which "
                "their 50 % must be: they do not derive it",
            ),
            Row(
                "slower, at either end of their ranges",
                "%",
                (slower + Range.of(-1)) * 100,
                why="both engines at their shortest, and both at their longest",
            ),
            Row("GPU dollars, either way", "$", cost),
        ),
    )


def of_schedules(given: Schedules, prices: PriceList) -> Table:
    """A worker that is kept for some hours of each day."""
    rate = prices.gpu(given.runpod.pool)
    rows = []
    for name, hours in zip(given.names, given.hours, strict=True):
        always = hours >= 24  # noqa: PLR2004  there is no start then, nor an end
        beside = 0.0 if always else given.runpod.start_seconds + given.runpod.idle_seconds
        seconds = given.days * (hours * _HOUR + beside)
        billed = rate.cost(seconds)
        why = (
            f"{rate.name} is ${rate.dollars_per_hour:.3f} an hour at RunPod, with no public "
            "discount for active workers"
            + ("" if always else "; a start and an idle timeout a day")
        )
        dollars = given.days * hours * given.dollars_per_hour
        rows.append(Row(name, "$", Range.of(dollars), Range.of(billed), why))
    return Table("Fixed schedules, a month", tuple(rows))


def of_reactive(given: Reactive, prices: PriceList) -> Table:
    """A worker that is kept while there is something to do, and a while after."""
    rate = prices.gpu(given.runpod.pool)
    sessions = given.days * given.sessions_per_day
    hours = sessions * (given.active_minutes + given.idle_minutes) * _MINUTE / _HOUR
    starts = sessions * given.start_minutes * _MINUTE / _HOUR * given.dollars_per_hour
    warm = hours * given.dollars_per_hour
    billed_warm, billed_starts = (
        Range.of(rate.cost(hours * _HOUR)),
        given.runpod.start_seconds * (sessions * rate.dollars_per_second),
    )
    price = f"{rate.name} is ${rate.dollars_per_hour:.3f} an hour at RunPod"
    return Table(
        "Reactive pool, a month",
        (
            Row("hours", "h", Range.of(hours)),
            Row("warm", "$", Range.of(warm), billed_warm, price),
            Row(
                "cold starts",
                "$",
                Range.of(starts),
                billed_starts,
                "a start is a minute at most: images and cached weights come before it, unbilled",
            ),
            Row(
                "all",
                "$",
                given.margin * (warm + starts),
                billed_warm + billed_starts,
                f"{price}, and starts are short; no margin for failed ones",
            ),
        ),
    )


def of_weights(given: Weights, prices: PriceList) -> Table:
    """Weights baked into the image against weights on a volume, for a month of restarts."""
    rule, rate = given.runpod, prices.gpu(given.runpod.pool)
    hourly = given.dollars_per_hour / _MINUTE
    later = given.restarts - 1
    baked_minutes = given.baked_build_minutes + given.restarts * given.baked_launch_minutes
    thin_minutes = (
        given.thin_build_minutes + given.first_launch_minutes + later * given.later_launch_minutes
    )
    kept = given.volume_gb * given.volume_dollars_per_gb_month
    counted = given.restarts * given.counted_seconds_per_restart / _MINUTE
    baked_seconds = given.restarts * (
        rule.container_seconds + rule.load_seconds + rule.idle_seconds
    )
    thin_seconds = baked_seconds + given.restarts * rule.check_seconds + rule.download_seconds
    stored = prices.volume_month(given.volume_gb)
    return Table(
        f"Weights, {given.restarts} restarts a month",
        (
            Row("baked, minutes", "min", Range.of(baked_minutes)),
            Row("volume, minutes", "min", Range.of(thin_minutes)),
            Row(
                "baked",
                "$",
                Range.of(baked_minutes * hourly),
                Range.of(rate.cost(baked_seconds)),
                "neither building nor pulling an image is billed: only container, load and idle",
            ),
            Row(
                "volume",
                "$",
                Range.of(kept + counted * hourly),
                Range.of(stored + rate.cost(thin_seconds)),
                f"RunPod keeps a GB for ${prices.storage.volume_gb_month:.2f} a month, and bills "
                "the whole start: the documents count "
                f"{given.counted_seconds_per_restart:g} s of each",
            ),
            Row(
                "volume, counted as the baked one is",
                "$",
                Range.of(kept + thin_minutes * hourly),
            ),
        ),
    )


def _parts(given: Requests) -> dict[str, Range]:
    """Dollars of each endpoint for a request, by the documents' rules."""
    return {
        "diarization": given.diarization_seconds * given.dollars_per_second,
        "transcription": given.transcription_seconds * given.dollars_per_second,
        "orchestrator": Range.of(
            given.orchestrator_seconds * given.orchestrator_dollars_per_second
        ),
    }


def _shapes(given: Requests) -> dict[str, Range]:
    parts = _parts(given)
    engines = parts["diarization"] + parts["transcription"]
    return {"single": engines, "split": engines, "orch": engines + parts["orchestrator"]}


def _shapes_alone(given: Requests, prices: PriceList) -> dict[str, Range]:
    """Dollars of a request that finds no worker, and leaves its workers idle until they end."""
    rule = given.runpod
    gpu = prices.gpu(rule.pool).dollars_per_second
    idle = Range.of(rule.idle_seconds)
    work = given.diarization_seconds + given.transcription_seconds
    single = rule.single_start_seconds + work + idle
    split = rule.split_start_seconds * 2 + work + idle * 2
    # it waits for the slower of both, start included
    waits = rule.split_start_seconds + given.diarization_seconds
    waiting = rule.orchestrator_start_seconds + waits + idle
    return {
        "single": single * gpu,
        "split": split * gpu,
        "orch": split * gpu + waiting * given.orchestrator_dollars_per_second,
    }


def shown(value: Range, unit: str) -> str:
    """A range for people: money of a request to two figures, of a month to a cent."""
    low, high = _figure(value.low, unit), _figure(value.high, unit)
    both = low if low == high else f"{low}-{high.removeprefix('$')}"
    return f"{both} {unit}" if unit != "$" else both


def _figure(number: float, unit: str) -> str:
    if unit != "$":
        return f"{number:.3g}"
    if number < 0.1:  # noqa: PLR2004
        return f"${number:.4f}"
    return f"${number:,.2f}"


def show(found: Sequence[Table], console: Console) -> None:
    """Write tables for people."""
    for table in found:
        shape = RichTable(
            title=table.title, title_justify="left", header_style="bold", show_edge=False
        )
        shape.add_column("")
        for name in ("documents", "RunPod"):
            shape.add_column(name, justify="right", no_wrap=True)
        shape.add_column("why they differ")
        for row in table.rows:
            runpod = "" if row.runpod is None else shown(row.runpod, row.unit)
            shape.add_row(row.name, shown(row.documents, row.unit), runpod, Text(row.why))
        console.print(shape)
        console.print()


def main(arguments: Sequence[str]) -> int:
    """Show the tables of a file of inputs; returns the exit status."""
    try:
        inputs = Inputs.read(Path(arguments[0]) if arguments else INPUTS)
        show(tables(inputs, PriceList.read()), console())
    except (PlanError, LookupError) as error:
        console(stderr=True).print(Text(str(error), style="red"))
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
