"""The figures as tables, for a terminal and for Markdown alike."""

import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence

from benchmarks.cold.cache import Cache
from benchmarks.cold.contests import OURS, PLAIN
from benchmarks.cold.floor import Floor
from benchmarks.cold.results import Result


def tables(results: Sequence[Result], floors: Mapping[Cache, Floor]) -> str:
    """All figures, medians, with what is allowed and the floor beside them."""
    parts = (_times(results), _memory(results), _floors(floors), _phases(results))
    return "\n\n".join("\n".join(part) for part in parts if part)


def _times(results: Iterable[Result]) -> list[str]:
    head = (
        *("worker", "page cache", "who", "first job taken, s", "of plain", "allowed", "floor, s"),
        "first answer, s",
    )
    rows = []
    for result in results:
        for who, starts in result.starts.items():
            taken = [start.taken for start in starts]
            answered = statistics.median(start.answered for start in starts)
            is_plain = who == PLAIN
            rows.append(
                (
                    result.contest.name if is_plain else "",
                    result.cache if is_plain else "",
                    who,
                    f"{statistics.median(taken):.2f} ({min(taken):.2f} to {max(taken):.2f})",
                    "" if is_plain else f"{result.share(who):.0%}",
                    "" if is_plain else f"{result.allowed_share:.0%}",
                    "" if is_plain else f"{result.floor.of(result.contest):.2f}",
                    f"{answered:.2f}",
                )
            )
    return _table(head, rows)


def _memory(results: Iterable[Result]) -> list[str]:
    head = ("worker", "page cache", "who", "peak, MB", "of the weights", "allowed, MB")
    rows = []
    for result in results:
        weights, allowed = result.contest.weight_bytes, result.contest.allowed.memory
        for who in result.starts:
            peak = result.peak(who)
            rows.append(
                (
                    result.contest.name if who == PLAIN else "",
                    result.cache if who == PLAIN else "",
                    who,
                    f"{peak / 1e6:.0f}",
                    f"{peak / weights:.2f}" if weights else "",
                    f"{allowed / 1e6:.0f}" if allowed and who != PLAIN else "",
                )
            )
    return _table(head, rows)


def _floors(floors: Mapping[Cache, Floor]) -> list[str]:
    head = ("page cache", "interpreter, s", "import torch, s", "reading, GB/s")
    rows = [
        (cache, f"{f.interpreter:.2f}", f"{f.torch:.2f}", f"{f.bandwidth / 1e9:.2f}")
        for cache, f in floors.items()
    ]
    return _table(head, rows)


def _phases(results: Iterable[Result]) -> list[str]:
    rows = [
        (f"{result.contest.name}, {result.cache}", who, ", ".join(_said(result.phases(who))))
        for result in results
        for who in result.starts
        if who.startswith(OURS) and result.phases(who)
    ]
    return _table(("worker", "who", "phases, s; some run at the same time"), rows) if rows else []


def _said(phases: Mapping[str, float]) -> Iterator[str]:
    return (f"{name} {seconds:.2f}" for name, seconds in phases.items())


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        return f"| {' | '.join(padded)} |"

    return [line(head), line(["-" * width for width in widths]), *map(line, rows)]
