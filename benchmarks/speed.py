"""What the speed benchmarks found, as one table and one picture.

    python -m benchmarks.speed

Reads `out/bench/{diarization,transcription,alignment}.json`, which the benchmarks of these names
write; prints the table, and writes `out/bench/speed.{md,svg}`. What was not measured is left out.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_OUT: Final = Path("out/bench")
_OURS: Final = "#3b6fb6"
_WANTED: Final = "#c2410c"
_MOST_MEMORY: Final = 500
_MOST_GROWTH: Final = 0.2
_MOST_SECONDS: Final = 0.5

Figures = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One comparison: how many times as fast, or as much, as what it is compared with.

    Attributes:
        what: is measured.
        ratio: median, least and most.
        wanted: the least, or where `at_most` the most, that counts as reached.
        detail: medians in their units, and the floor.

    """

    what: str
    ratio: tuple[float, float, float]
    wanted: float
    detail: str
    at_most: bool = False

    @property
    def is_reached(self) -> bool:
        """Whether the median is what was wanted."""
        median = self.ratio[0]
        return median <= self.wanted if self.at_most else median >= self.wanted


def main() -> None:
    """Print, write, draw; end with an error where something is not reached."""
    rows = list(_rows({name: _read(name) for name in ("diarization", "transcription")}))
    rows += _alignment(_read("alignment"))
    if not rows:
        sys.exit("There is nothing to show: run the benchmarks first, as `make bench` does.")
    table = "\n".join(_table(rows))
    print(table)
    (_OUT / "speed.md").write_text(table + "\n")
    _draw(rows, _OUT / "speed.svg")
    if missed := [row.what for row in rows if not row.is_reached]:
        sys.exit("Not reached:\n" + "\n".join(missed))


def _read(name: str) -> Figures:
    path = _OUT / f"{name}.json"
    figures: Figures = json.loads(path.read_text()) if path.exists() else {}
    return figures


def _rows(found: Mapping[str, Figures]) -> Iterator[Row]:
    diarization, transcription = found["diarization"], found["transcription"]
    if stock := diarization.get("against_stock"):
        yield from _against_stock(stock)
    if long := diarization.get("long"):
        yield from _long(long["runs"])
    if talk := transcription.get("long"):
        yield from _talk(talk)
    if jobs := transcription.get("jobs"):
        apart, together = jobs["one_after_another"], jobs["at_once"]
        yield Row(
            what=f"{jobs['jobs']} short jobs at once, against one after another: throughput",
            ratio=_three(jobs["throughput_ratio"]),
            wanted=1.0,
            detail=f"latency p50 {together['p50']['median']:.2f} s against "
            f"{apart['p50']['median']:.2f} s, p95 {together['p95']['median']:.2f} s against "
            f"{apart['p95']['median']:.2f} s",
        )


def _against_stock(stock: Figures) -> Iterator[Row]:
    ours, plain = stock["parley"], stock["stock"]
    same = "the same answers" if stock["identical"] else "OTHER ANSWERS"
    yield Row(
        what=f"diarization of {stock['audio_seconds']:g} s, full size, against stock: speed",
        ratio=_three(stock["ratio"]),
        wanted=2.5 if stock["identical"] else float("inf"),
        detail=f"{ours['seconds']['median']:.1f} s against {plain['seconds']['median']:.1f} s, "
        f"floor {stock['floor']['seconds']:.1f} s; {same}",
    )
    mine, theirs = ours["peak_megabytes"], plain["peak_megabytes"]
    shares = [a / b for a, b in zip(mine["all"], theirs["all"], strict=True)]
    yield Row(
        what="the same: peak memory beyond loading",
        ratio=(mine["median"] / theirs["median"], min(shares), max(shares)),
        wanted=1.0,
        at_most=True,
        detail=f"{mine['median']:.0f} MB against {theirs['median']:.0f} MB",
    )


def _long(runs: Sequence[Figures]) -> Iterator[Row]:
    first = runs[0]["seconds_an_hour"]
    growths = [run["seconds_an_hour"] / first for run in runs]
    yield Row(
        what=f"diarization of {runs[-1]['hours']:g} hours, against {runs[0]['hours']:g}: "
        "time for an hour",
        ratio=(growths[-1], min(growths), max(growths)),
        wanted=1 + _MOST_GROWTH,
        at_most=True,
        detail=", ".join(f"{run['hours']:g} h: {run['seconds_an_hour']:.0f} s" for run in runs),
    )
    memory = [run["peak_megabytes"] / _MOST_MEMORY for run in runs]
    yield Row(
        what=f"the same: peak memory beyond loading, of {_MOST_MEMORY} MB",
        ratio=(max(memory), min(memory), max(memory)),
        wanted=1.0,
        at_most=True,
        detail=", ".join(f"{run['hours']:g} h: {run['peak_megabytes']} MB" for run in runs),
    )


def _talk(talk: Figures) -> Iterator[Row]:
    errors, seconds = talk["word_error_rate"], talk["seconds"]
    for name, times in talk["times_faster"].items():
        yield Row(
            what=f"transcription of {talk['audio_seconds'] / 60:.0f} minutes, against {name}",
            ratio=_three(times),
            wanted=1.0,
            detail=f"{seconds['parley']['median']:.1f} s against {seconds[name]['median']:.1f} s, "
            f"floor {talk['floor_seconds']:.1f} s; WER {errors['parley']:.2%} against "
            f"{errors[name]:.2%}",
        )


def _alignment(found: Figures) -> Iterator[Row]:
    if rows := found.get("rows"):
        most = rows[-1]
        yield Row(
            what=f"alignment of {most['words']:,} words with {most['turns']:,} turns, of "
            f"{_MOST_SECONDS} s",
            ratio=tuple(most[key] / _MOST_SECONDS for key in ("seconds", "least", "most")),
            wanted=1.0,
            at_most=True,
            detail=f"{most['seconds']:.2f} s, floor {most['floor_seconds']:.3f} s; a word takes "
            f"{found['growth']:.2f} times what it takes among {rows[0]['words']:,}",
        )


def _three(spread: Figures) -> tuple[float, float, float]:
    return spread["median"], spread["least"], spread["most"]


def _table(rows: Sequence[Row]) -> Iterator[str]:
    yield "| what | ratio (least to most) | wanted | | medians |"
    yield "| --- | --- | --- | --- | --- |"
    for row in rows:
        median, least, most = row.ratio
        sign, reached = "≤" if row.at_most else "≥", "reached" if row.is_reached else "missed"
        yield (
            f"| {row.what} | {median:.2f} ({least:.2f} to {most:.2f}) | {sign} {row.wanted:g} | "
            f"{reached} | {row.detail} |"
        )


def _draw(rows: Sequence[Row], path: Path) -> None:
    """A bar for each ratio with its spread, and a mark for what was wanted."""
    import matplotlib as mpl  # noqa: PLC0415

    mpl.use("svg")
    import matplotlib.pyplot as plt  # noqa: PLC0415

    mpl.rcParams["svg.hashsalt"] = "parley"
    figure, axis = plt.subplots(figsize=(9, 0.6 * len(rows) + 1), layout="constrained")
    for height, row in enumerate(reversed(rows)):
        median, least, most = row.ratio
        spread = [[median - least], [most - median]]
        axis.barh(height, median, xerr=spread, color=_OURS, ecolor="#1d2430", height=0.5)
        if row.wanted != float("inf"):
            axis.vlines(row.wanted, height - 0.35, height + 0.35, color=_WANTED, linewidth=2)
        axis.text(most, height, f"  {median:.2f}", va="center", fontsize=8)
    axis.set_yticks(range(len(rows)), [row.what for row in reversed(rows)], fontsize=8)
    axis.set_xlabel(
        "ratio; the mark is the least, or for time and memory the most, that was wanted"
    )
    axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


if __name__ == "__main__":
    main()
