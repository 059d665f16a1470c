"""The answer as tables and words for people, and as JSON for programs."""

from collections.abc import Iterable
from typing import Any, Final

from rich.console import Console, JustifyMethod
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from planner.options.advice import Turn
from planner.options.plan import Result
from planner.options.study import Study
from planner.options.wording import (
    changes,
    count,
    money,
    recommendation,
    seconds,
    share,
    step_in_words,
    warnings,
)
from planner.traffic.description import DAY_NAMES, Traffic

SCHEMA: Final = 1
"""Of the JSON; grows when a field changes its meaning."""
_DIGITS: Final = 6
"""That count, of numbers in the JSON."""


def body(study: Study) -> dict[str, Any]:
    """The whole answer, ready for JSON: dollars, seconds and shares of 1."""
    efficient = {result.name for result in study.efficient}
    following = study.choice.following
    whole = {
        "schema": SCHEMA,
        "traffic": study.traffic.body(),
        "wanted": {
            "kind": study.goal.kind,
            "most": study.goal.most,
            "stated": study.goal.stated,
            "met": study.choice.met,
        },
        "options": [
            _option(result, efficient=result.name in efficient) for result in study.results
        ],
        "recommended": study.choice.best.name,
        "next_best": following.name if following else None,
        "words": [*recommendation(study), *changes(study)],
        "settings": {role: dict(told) for role, told in study.choice.best.settings.items()},
        "variants": [_option(result, efficient=False) for result in study.variants],
        "at_the_ends_of_the_speeds": [
            {"end": end, "recommended": there.best.name, "met": there.met, **_figures(there.best)}
            for end, there in study.ends
        ],
        "placing_seconds_tolerated": study.placing,
        "volumes": {
            "requests_per_day": study.traffic.per_day,
            "looked_at_from": study.per_day(1 / study.largest),
            "looked_at_to": study.per_day(study.largest),
            "days_simulated_at_the_largest": study.volume_days,
            "option_changes": [_turn(turn, study) for turn in study.option_turns],
            "shape_changes": [_turn(turn, study) for turn in study.shape_turns],
            "limits": [_turn(turn, study) for turn in study.limits],
        },
        "migration": [
            {
                "from": step.before.name,
                "to": step.after.name,
                "stage": step.stage,
                "pays": step.pays,
                "cost_per_month_more": step.dollars,
                "p95_more": step.seconds,
                "break_even": [_turn(turn, study) for turn in step.breaks_even],
                "gains": step.gains,
                "words": step_in_words(step, study),
            }
            for step in study.steps
        ],
        "warnings": list(warnings(study)),
        "inputs": [item.body() for item in study.inputs],
    }
    rounded: dict[str, Any] = _rounded(whole)
    return rounded


def show(study: Study, console: Console) -> None:
    """Write the whole answer for people."""
    console.print(traffic_table(study.traffic))
    console.print()
    console.print(options_table(study))
    _paragraphs(console, "What to take", recommendation(study))
    _paragraphs(console, "What would change it", changes(study))
    if study.steps:
        console.print()
        console.print(migration_table(study))
    console.print()
    console.print(inputs_table(study))
    _paragraphs(console, "What to know", warnings(study), style="yellow")


def traffic_table(traffic: Traffic) -> Table:
    """What the requests look like."""
    table = _table("Traffic", "", "")
    bursts, gap = traffic.bursts, traffic.bursts.median_gap
    _row(
        table,
        "requests",
        f"{traffic.requests:,} in {traffic.days:.4g} days, {count(traffic.per_day)} a day",
    )
    _row(
        table,
        "audio",
        f"{traffic.audio_hours:,.1f} hours; a request has {seconds(traffic.mean_audio)} on "
        f"average, {seconds(traffic.median_audio)} in the middle",
    )
    busiest = traffic.busiest_weekday
    _row(
        table,
        "busiest",
        f"{DAY_NAMES[busiest].capitalize()} ({traffic.by_weekday[busiest]:,}), and "
        f"{traffic.peak or '-'} UTC",
    )
    zones = ", ".join(map(str, traffic.dead_zones))
    _row(table, "dead zones", f"{zones} UTC" if zones else "none")
    _row(
        table,
        "bursts",
        f"{bursts.count:,} of 3 or more within 5 minutes; {bursts.mean:.1f} requests on average, "
        f"{bursts.largest:,} the largest" + (f", median gap {seconds(gap)}" if gap else ""),
    )
    users = ", ".join(f"{user.name} {share(user.share)}" for user in traffic.users[:3])
    _row(table, "users", f"{traffic.user_count:,}: {users}" if users else "not known")
    return table


def options_table(study: Study) -> Table:
    """What every option costs and brings, the cheapest first."""
    table = _table(
        "Options",
        "",
        "option",
        "$/month",
        "$/audio h",
        "p50",
        "p95",
        "p99",
        "cold",
        "busy",
        numbers=range(2, 9),
    )
    efficient = {result.name for result in study.efficient}
    best, following = study.choice.best, study.choice.following
    for result in sorted(study.results, key=lambda result: result.cost_per_month):
        mark = "*" if result.name in efficient else ""
        if result is best:
            mark += "1"
        elif result is following:
            mark += "2"
        lost = f"{share(result.unfinished_share)} lost" if result.unfinished_share else ""
        _row(
            table,
            mark,
            result.name + (f" ({lost})" if lost else ""),
            f"{result.cost_per_month:,.2f}",
            f"{result.cost_per_audio_hour:,.3f}",
            seconds(result.p50),
            seconds(result.p95),
            seconds(result.p99),
            share(result.cold_share),
            share(result.utilisation),
            style="bold" if result is best else None,
        )
    table.caption = (
        "1 recommended, 2 next best, * efficient: no other is cheaper and faster (p95). Cold: "
        "requests that meet a cold start. Busy: of the time that GPU workers are ready."
    )
    return table


def migration_table(study: Study) -> Table:
    """The way from one endpoint to three, step by step."""
    table = _table("From one endpoint to three", "to", "from, to", "$/month", "p95", "does it pay")
    for step in study.steps:
        _row(
            table,
            step.stage,
            f"{step.before.name}\n{step.after.name}",
            f"{money(step.before.cost_per_month)}\n{money(step.after.cost_per_month)}",
            f"{seconds(step.before.p95)}\n{seconds(step.after.p95)}",
            f"{step_in_words(step, study)}\n{step.gains}",
        )
    table.caption = "Each with its best strategy for what is wanted."
    return table


def inputs_table(study: Study) -> Table:
    """What the answer rests on; the JSON has all of it."""
    premises = study.premises
    table = _table(f"Inputs: {premises.speeds.title}", "input", "value", "basis", "source")
    for item in study.inputs:
        if not item.role:
            _row(table, item.name, item.shown, item.basis, _dated(item.source, item.date))
    for role, speed in premises.speeds.roles.items():
        work = f"{speed.per_audio_second} s for a second of audio"
        fixed = f"{speed.fixed} s, and " if speed.fixed.high else ""
        only = f"{speed.fixed} s" if speed.fixed.high and not speed.per_audio_second.high else ""
        _row(
            table,
            f"{role}: work",
            only or fixed + work,
            speed.work.basis,
            _dated(speed.work.source, speed.work.day.isoformat()),
        )
        starts = ", ".join(f"{kind} {figure}" for kind, figure in speed.starts.items())
        _row(
            table,
            f"{role}: start",
            f"{starts} s",
            speed.start.basis,
            _dated(speed.start.source, speed.start.day.isoformat()),
        )
    return table


def _table(title: str, *columns: str, numbers: Iterable[int] = ()) -> Table:
    table = Table(title=Text(title, style="bold"), title_justify="left", caption_justify="left")
    table.show_header = any(columns)
    right = set(numbers)
    for place, column in enumerate(columns):
        justify: JustifyMethod = "right" if place in right else "left"
        table.add_column(column, justify=justify, overflow="fold")
    return table


def _row(table: Table, *cells: str, style: str | None = None) -> None:
    """Add cells as they are: what a log or a file says may look like rich's markup."""
    table.add_row(*map(Text, cells), style=style)


def _paragraphs(console: Console, title: str, said: Iterable[str], style: str = "") -> None:
    console.print(f"\n[bold]{title}[/bold]")
    for text in said:
        console.print(Padding(Text(f"- {text}", style=style), (0, 0, 0, 1)))


def _dated(source: str, day: str | None) -> str:
    return f"{source}, {day}" if day else source


def _option(result: Result, *, efficient: bool) -> dict[str, Any]:
    return {
        "name": result.name,
        "shape": result.option.shape,
        "strategy": result.option.strategy.name,
        "starts": result.option.starts,
        **_figures(result),
        "efficient": efficient,
    }


def _figures(result: Result) -> dict[str, Any]:
    return {
        "cost_per_month": result.cost_per_month,
        "cost_per_audio_hour": result.cost_per_audio_hour,
        "cost_per_month_by_role": dict(result.cost_by_role),
        "latency": {
            "p50": result.p50,
            "p95": result.p95,
            "p99": result.p99,
            "longest": result.longest,
        },
        "cold_share": result.cold_share,
        "unfinished_share": result.unfinished_share,
        "utilisation": result.utilisation,
        "cold_starts_per_month": result.starts_per_month,
        "billed_shares": dict(result.billed),
    }


def _turn(turn: Turn, study: Study) -> dict[str, Any]:
    return {
        "factor": turn.factor,
        "requests_per_day": study.per_day(turn.factor),
        "from": turn.before,
        "to": turn.after,
    }


def _rounded(value: Any) -> Any:  # noqa: ANN401  of JSON
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}")
    if isinstance(value, dict):
        return {str(key): _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return value
