"""What runs say, put where it was asked for: on a console, into JSON, into a picture."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from planner.coldstart.chart import draw
from planner.coldstart.comparison import Comparison, compare
from planner.coldstart.experiment import News, Told
from planner.coldstart.report import as_json, comparison_as_json, show, show_comparison
from planner.coldstart.store import read
from planner.coldstart.verdicts import FILE, Criteria, Findings, examine
from planner.errors import RunsFileUnusable
from planner.screen import console

STDOUT: Final = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where findings go.

    Attributes:
        json_file: that takes all of it; `-` is standard output, which then takes nothing else.
        chart: that takes the picture.

    """

    json_file: str | None = None
    chart: Path | None = None


def publish(file: Path, places: Places, *, criteria: Path | None = None) -> Findings:
    """Show what the runs of a file say.

    Raises:
        CriteriaInvalid: the criteria cannot be used.
        RunsFileInvalid: the file holds something else than runs.
        RunsFileUnusable: it cannot be read, or another cannot be written.

    """
    limits = Criteria.read(criteria or FILE)
    runs = read(file)
    findings = examine(runs, limits)
    if places.json_file != STDOUT:
        show(findings, console())
    _keep(as_json(findings), places.json_file)
    if places.chart:
        _write(places.chart, lambda path: draw([runs], path))
    return findings


def publish_comparison(
    first: Path, second: Path, places: Places, *, criteria: Path | None = None
) -> Comparison:
    """Show how the runs of two files compare.

    Raises:
        CriteriaInvalid: the criteria cannot be used.
        RunsFileInvalid: a file holds something else than runs.
        RunsFileUnusable: it cannot be read, or another cannot be written.

    """
    limits = Criteria.read(criteria or FILE)
    pair = read(first), read(second)
    found = compare(*pair, limits)
    if places.json_file != STDOUT:
        show_comparison(found, console())
    _keep(comparison_as_json(found), places.json_file)
    if places.chart:
        _write(places.chart, lambda path: draw(pair, path))
    return found


def teller(runs: int, say: Callable[[str], None]) -> Told:
    """Make news lines for people.

    Args:
        runs: that are wanted.
        say: takes a line.

    """

    def told(news: News) -> None:
        run = news.run
        if run is not None:
            parts = ", ".join(f"{name} {seconds:.1f}" for name, seconds in run.breakdown.items())
            why = f" ({parts or run.detail})" if parts or run.detail else ""
            say(f"run {news.number}: {run.outcome} after {run.seconds or 0.0:.1f} s{why}")
        elif news.what == "half_done":
            say(f"run {news.number} was half done when the command was killed: {news.text}")
        elif news.what == "waiting":
            say(f"run {news.number}, {runs} are wanted: until it is cold: {news.text}")

    return told


def _keep(body: dict[str, Any], where: str | None) -> None:
    if where is None:
        return
    text = json.dumps(body, indent=2, allow_nan=False) + "\n"
    if where == STDOUT:
        sys.stdout.write(text)
    else:
        _write(Path(where), lambda path: path.write_text(text, encoding="utf-8"))


def _write(path: Path, work: Callable[[Path], object]) -> None:
    try:
        work(path)
    except OSError as error:
        raise RunsFileUnusable(str(path), reason=error.strerror or "it cannot be written") from None
