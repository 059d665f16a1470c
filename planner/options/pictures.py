"""The answer as pictures: SVG, the same for the same input."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from handlers.prices import HOUR
from planner.options.plan import Result
from planner.options.study import Study
from planner.options.wording import count
from planner.simulator.fleet import Series
from planner.simulator.shapes import Role, ShapeName
from planner.traffic.description import DAY_NAMES, Traffic

NAMES: Final = ("frontier", "workers", "traffic")
"""Of the pictures: `planning-NAME.svg`."""

_SHAPES: Final[Mapping[ShapeName, tuple[str, str]]] = {
    "single": ("#3b6fb6", "o"),
    "split": ("#2f9e6e", "^"),
    "orch": ("#b4762a", "s"),
}
_ROLES: Final[Mapping[Role, str]] = {
    "single": "#3b6fb6",
    "transcription": "#3b6fb6",
    "diarization": "#2f9e6e",
    "orchestrator": "#b4762a",
}
_INK: Final = "#1d2430"
_QUIET: Final = "#7a8494"
_CHOSEN: Final = "#c2410c"
_HOURS: Final = 24
_LINE: Final = 10.0
"""Points from one name to the next."""
_PART_SECONDS: Final = 600.0
"""About so long is what is drawn as one step of a day."""


def draw(study: Study, folder: Path) -> list[Path]:
    """Draw all pictures into a folder, which is made where it is missing.

    Raises:
        OSError: a picture cannot be written.

    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"planning-{name}.svg" for name in NAMES]
    draw_frontier(study, paths[0])
    busiest = study.busiest
    day = f"{busiest.trace.start:%A, %Y-%m-%d}, {len(busiest.trace):,} requests"
    draw_workers(
        {role: outcome.series for role, outcome in busiest.outcomes.items()},
        begins=busiest.trace.start.hour + busiest.trace.start.minute / 60,
        title=f"{study.choice.best.name}: its busiest day, {day}",
        path=paths[1],
    )
    draw_traffic(study.traffic, paths[2])
    return paths


def draw_frontier(study: Study, path: Path) -> None:
    """Draw what each option costs against how long 95 % of its requests take at most."""
    plt = _pyplot()
    figure, axis = plt.subplots(figsize=(9, 6), layout="constrained")
    shown = [result for result in study.results if result.p95 > 0 and result.cost_per_month > 0]
    for shape, (colour, mark) in _SHAPES.items():
        of_shape = [result for result in shown if result.option.shape == shape]
        axis.plot(
            [result.p95 for result in of_shape],
            [result.cost_per_month for result in of_shape],
            mark,
            color=colour,
            fillstyle="none" if shape == "orch" else "full",
            markersize=7 if shape == "orch" else 5,
            label=shape,
        )
    efficient = [result for result in study.efficient if result in shown]
    axis.plot(
        [result.p95 for result in efficient],
        [result.cost_per_month for result in efficient],
        color=_QUIET,
        linewidth=1,
        zorder=0,
        label="efficient: none is cheaper and faster",
    )
    best = study.choice.best
    axis.plot(
        [best.p95],
        [best.cost_per_month],
        "o",
        color=_CHOSEN,
        fillstyle="none",
        markersize=15,
        label="recommended",
    )
    line = axis.axvline if study.goal.kind == "p95" else axis.axhline
    line(study.goal.most, color=_CHOSEN, linewidth=1, linestyle=(0, (4, 3)), label="wanted")
    for scale, ticks in ((axis.set_xscale, axis.xaxis), (axis.set_yscale, axis.yaxis)):
        scale("log")
        ticks.set_major_locator(plt.LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
        ticks.set_major_formatter("{x:,g}")
        ticks.set_minor_locator(plt.NullLocator())
    axis.margins(y=0.08)
    _room_for_names(axis, shown)
    axis.set_xlabel(f"95 % of requests are answered within, s ({_kind_of_speeds(study)})")
    axis.set_ylabel("dollars a month")
    axis.grid(which="major", color="#e6e9ee", linewidth=0.8)
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)
    figure.legend(fontsize=8, frameon=False, loc="outside upper left", ncols=6)
    figure.canvas.draw()  # now it is known where points lie
    _name(axis, efficient, best)
    _save(plt, figure, path)


def draw_workers(series: Mapping[Role, Series], *, begins: float, title: str, path: Path) -> None:
    """Draw requests, workers and the queue over the hours of a day.

    Args:
        series: by role, of the same parts of the same span.
        begins: hour of the day with which they begin, UTC.
        title: what is seen.
        path: of the picture.

    """
    plt = _pyplot()
    figure, (asked, workers, queue) = plt.subplots(
        3, 1, figsize=(9, 6), sharex=True, layout="constrained", height_ratios=(1, 1.3, 1)
    )
    first = next(iter(series.values()))
    together = max(1, round(_PART_SECONDS / first.seconds))
    edges = begins + np.arange(-(-len(first.requests) // together) + 1) * (
        first.seconds * together / HOUR
    )
    asked.stairs(_grouped(first.requests, together).sum(axis=1), edges, fill=True, color="#b4bcc8")
    for role, values in series.items():
        style = {"color": _ROLES[role], "label": role, "linewidth": 1.3}
        mean = _grouped(values.workers_mean, together).mean(axis=1)
        workers.stairs(mean, edges, fill=True, color=_ROLES[role], alpha=0.25)
        workers.stairs(_grouped(values.workers_max, together).max(axis=1), edges, **style)
        queue.stairs(_grouped(values.queue_max, together).max(axis=1), edges, **style)
    asked.set_ylabel(f"requests in\n{first.seconds * together / 60:.3g} minutes")
    workers.set_ylabel("workers: most,\nand mean (filled)")
    queue.set_ylabel("waiting,\nat most")
    queue.set_xlabel("hour of the day, UTC")
    workers.legend(fontsize=8, frameon=False, loc="upper left", ncols=len(series))
    asked.set_title(title, loc="left", fontsize=11, color=_INK)
    for axis in (asked, workers, queue):
        axis.spines[["top", "right"]].set_visible(False)
        axis.yaxis.get_major_locator().set_params(integer=True)
        axis.set_ylim(bottom=0)
    queue.set_xlim(edges[0], edges[-1])
    queue.xaxis.set_major_locator(plt.MultipleLocator(2))
    _save(plt, figure, path)


def draw_traffic(traffic: Traffic, path: Path) -> None:
    """Draw requests an hour, by weekday and hour of the day."""
    plt = _pyplot()
    figure, axis = plt.subplots(figsize=(9, 3.2), layout="constrained")
    rates = np.ma.masked_invalid(traffic.rates)
    image = axis.imshow(rates, aspect="auto", cmap="Blues", vmin=0)
    axis.set_yticks(range(len(DAY_NAMES)), [name.capitalize() for name in DAY_NAMES])
    axis.set_xticks(range(0, _HOURS, 2), [f"{hour:02}" for hour in range(0, _HOURS, 2)])
    axis.set_xlabel("hour of the day, UTC")
    axis.set_title(
        f"Requests an hour: {traffic.requests:,} in {traffic.days:.0f} days, "
        f"{count(traffic.per_day)} a day",
        loc="left",
        fontsize=11,
        color=_INK,
    )
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    figure.colorbar(image, ax=axis, pad=0.01).outline.set_visible(False)
    _save(plt, figure, path)


def _room_for_names(axis: Any, shown: Sequence[Result]) -> None:  # noqa: ANN401  matplotlib's
    """Leave the left third empty: left of the efficient options there are none."""
    least, most = (end(result.p95 for result in shown) for end in (min, max))
    across = max(most / least, 1.2)
    axis.set_xlim(least / across**0.6, most * across**0.08)


def _name(axis: Any, efficient: Sequence[Result], best: Result) -> None:  # noqa: ANN401  matplotlib's
    """Write the names of the efficient options beside them, none over another."""
    scale = 72 / axis.figure.dpi
    above = float("inf")
    for result in sorted(efficient, key=lambda result: -result.cost_per_month):
        point = (result.p95, result.cost_per_month)
        _, y = axis.transData.transform(point) * scale
        height = min(y, above - _LINE)
        above = height
        # the line comes to the cheapest from the left: its name goes below
        last = result is efficient[0] and len(efficient) > 1
        axis.annotate(
            result.name,
            point,
            xytext=(0, -_LINE) if last else (-22, height - y),
            ha="right",
            textcoords="offset points",
            va="top" if last else "center",
            fontsize=7.5,
            color=_CHOSEN if result is best else _INK,
            arrowprops=None
            if last
            else {"arrowstyle": "-", "color": _QUIET, "linewidth": 0.5, "shrinkB": 3},
        )


def _grouped(values: NDArray[Any], together: int) -> NDArray[Any]:
    """Rows of so many values; the last is filled up with zeros."""
    missing = -len(values) % together
    return np.concatenate([values, np.zeros(missing, values.dtype)]).reshape(-1, together)


def _kind_of_speeds(study: Study) -> str:
    bases = study.premises.speeds.bases
    return "from measurements" if bases == {"measured"} else "speeds and starts are claims"


def _pyplot() -> Any:  # noqa: ANN401  untyped parts of it are used
    import matplotlib as mpl  # noqa: PLC0415

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "parley"
    import matplotlib.pyplot as plt  # noqa: PLC0415

    return plt


def _save(plt: Any, figure: Any, path: Path) -> None:  # noqa: ANN401
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
