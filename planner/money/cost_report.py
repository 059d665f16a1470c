"""What was spent, as tables for people and as JSON for programs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from planner.money.cost import Compared, Sum, Summary

_DIGITS: Final = 6
_WIDE: Final = 110
"""Characters of a screen that all columns fit into."""
_HOUR: Final = 3600.0
_REPLIES: Final = (
    "Replies know nothing of idle workers, of seconds before a worker's process began, and of "
    "attempts that failed: RunPod's records do (--billing)."
)
_UNPRICED: Final = (
    "{seconds:,.1f} s of workers have no price and are in no sum of dollars. For CPU workers, set "
    "PARLEY_PRICE_PER_SECOND on their endpoint."
)
_PLAN: Final = "A month is thirty days like those from the first day to the last."


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """All that is to be told; None where it was not asked for, or is not known.

    Attributes:
        replies: what these say.
        bills: what RunPod's records say.
        compared: a plan beside it.
        skipped: what was left out, as sentences.

    """

    replies: Summary | None = None
    bills: Summary | None = None
    compared: Sequence[Compared] | None = None
    skipped: Sequence[str] = ()


def body(spending: Spending) -> dict[str, Any]:
    """Ready for JSON: dollars and seconds."""
    return {
        "replies": None if spending.replies is None else _body(spending.replies),
        "billing": None if spending.bills is None else _bills(spending.bills),
        "plan": None
        if spending.compared is None
        else [_compared(one) for one in spending.compared],
        "skipped": list(spending.skipped),
    }


def show(spending: Spending, console: Console) -> None:
    """Write it for people."""
    if spending.replies is not None:
        console.print(_replies_table(spending.replies, wide=console.width >= _WIDE))
        console.print(Text(_REPLIES, style="dim"))
        if seconds := spending.replies.total.unpriced_seconds:
            console.print(Text(_UNPRICED.format(seconds=seconds), style="yellow"))
    if spending.bills is not None:
        console.print(_bills_table(spending.bills))
    if spending.compared is not None:
        if spending.compared:
            console.print(_plan_table(spending.compared))
            console.print(Text(_PLAN, style="dim"))
        else:
            said = "The plan has no option of a shape that was used."
            console.print(Text(said, style="yellow"))
    for line in spending.skipped:
        console.print(Text(f"left out: {line}", style="yellow"))


def dollars(amount: float | None) -> str:
    """Money for people; small sums keep digits that tell something."""
    if amount is None:
        return "unknown"
    return f"${amount:,.2f}" if abs(amount) >= 1 or not amount else f"${amount:.4f}"


def _replies_table(summary: Summary, *, wide: bool) -> Table:
    """One line a key; a narrow screen gets what matters most."""
    table = _table("What replies say", *summary.by)
    columns: dict[str, Callable[[Sum], str]] = {
        "requests": lambda line: f"{line.requests:,}",
        "audio": lambda line: _clock(line.audio_seconds),
    }
    if wide:
        columns |= {
            "worker": lambda line: f"{line.worker_seconds:,.1f} s",
            "work": lambda line: dollars(line.dollars) + _lacks(line),
            "cold": lambda line: f"{line.cold_starts:,}",
            "starts": lambda line: dollars(line.start_dollars),
        }
    columns |= {
        "total": lambda line: dollars(line.all_dollars) + _lacks(line),
        "audio hour": lambda line: dollars(line.per_audio_hour),
    }
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    for key, line in [*summary.lines.items(), (None, summary.total)]:
        table.add_row(*_key(key, summary), *(tell(line) for tell in columns.values()))
    return table


def _lacks(line: Sum) -> str:
    return "+" if line.unpriced_seconds else ""


def _bills_table(summary: Summary) -> Table:
    table = _table("What RunPod billed", *summary.by)
    table.add_column("total", justify="right")
    for key, line in [*summary.lines.items(), (None, summary.total)]:
        table.add_row(*_key(key, summary), dollars(line.dollars))
    return table


def _plan_table(compared: Sequence[Compared]) -> Table:
    table = _table("Beside the plan", "option", "shape")
    for name in ("planned a month", "so far a month", "more", "planned an hour", "so far an hour"):
        table.add_column(name, justify="right")
    for one in sorted(
        compared, key=lambda one: (not one.option.is_recommended, one.option.per_month)
    ):
        option = one.option
        table.add_row(
            Text(option.name + (" (recommended)" if option.is_recommended else "")),
            option.shape,
            dollars(option.per_month),
            dollars(one.per_month),
            "unknown" if one.over is None else f"{one.over:+.0%}",
            dollars(option.per_audio_hour),
            dollars(one.per_audio_hour),
        )
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", header_style="bold", show_edge=False)
    for column in columns:
        table.add_column(column)
    return table


def _key(key: tuple[str, ...] | None, summary: Summary) -> list[Text]:
    """The cells that tell a line apart; the last line is that of all."""
    if key is None:
        return [Text("all" if place == 0 else "", style="bold") for place in range(len(summary.by))]
    return [Text(value) for value in key]


def _clock(seconds: float) -> str:
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours:,}:{minute:02d}:{second:02d}"


def _body(summary: Summary) -> dict[str, Any]:
    return {
        "by": list(summary.by),
        "lines": [
            {**dict(zip(summary.by, key, strict=True)), **_sum(line)}
            for key, line in summary.lines.items()
        ],
        "total": _sum(summary.total),
    }


def _sum(line: Sum) -> dict[str, Any]:
    return {
        "requests": line.requests,
        "audio_hours": _rounded(line.audio_seconds / _HOUR),
        "worker_seconds": _rounded(line.worker_seconds),
        "dollars": _rounded(line.dollars),
        "cold_starts": line.cold_starts,
        "start_seconds": _rounded(line.start_seconds),
        "start_dollars": _rounded(line.start_dollars),
        "unpriced_seconds": _rounded(line.unpriced_seconds),
        "dollars_per_audio_hour": _rounded(line.per_audio_hour),
        "dollars_per_month": _rounded(line.per_month),
    }


def _bills(summary: Summary) -> dict[str, Any]:
    def amount(line: Sum) -> dict[str, Any]:
        return {"dollars": _rounded(line.dollars), "dollars_per_month": _rounded(line.per_month)}

    return {
        "by": list(summary.by),
        "lines": [
            {**dict(zip(summary.by, key, strict=True)), **amount(line)}
            for key, line in summary.lines.items()
        ],
        "total": amount(summary.total),
    }


def _compared(one: Compared) -> dict[str, Any]:
    return {
        "name": one.option.name,
        "shape": one.option.shape,
        "recommended": one.option.is_recommended,
        "planned_per_month": _rounded(one.option.per_month),
        "per_month": _rounded(one.per_month),
        "over": _rounded(one.over),
        "planned_per_audio_hour": _rounded(one.option.per_audio_hour),
        "per_audio_hour": _rounded(one.per_audio_hour),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, _DIGITS)
