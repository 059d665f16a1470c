"""Cold starts as a picture: a column for each run, its parts on each other."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from planner.coldstart.breakdown import REST
from planner.coldstart.runs import Run, Runs

_COLOURS: Final[Mapping[str, str]] = {
    "wait": "#c9ced6",
    "queue": "#c9ced6",
    "start": "#f2b45c",
    "weights": "#c2410c",
    "load": "#7fa8dd",
    "engines": "#8f7cc0",
    "first_result": "#3b6fb6",
    "lost": "#1d2430",
    "network": "#e7e9ee",
    REST: "#e7e9ee",
}
_OTHERS: Final = ("#f2b45c", "#c2410c", "#8f7cc0", "#7fa8dd", "#3b6fb6", "#5b8c5a", "#b05c84")
_FAILED: Final = "#c2410c"
_WIDEST: Final = 14.0
_EACH: Final = 0.28


def draw(experiments: Sequence[Runs], path: Path) -> None:
    """Draw a panel for each experiment, all with the same seconds; the file is SVG.

    The same runs give the same bytes. A run that failed is a cross at the time at which it was
    given up, with its name.
    """
    import matplotlib as mpl  # noqa: PLC0415

    mpl.use("svg")
    import matplotlib.pyplot as plt  # noqa: PLC0415

    mpl.rcParams["svg.hashsalt"] = "parley"
    most = max((len(runs.counted) for runs in experiments), default=0)
    figure, axes = plt.subplots(
        len(experiments),
        1,
        figsize=(min(_WIDEST, max(7.0, 2.5 + _EACH * most)), 3.4 * len(experiments)),
        sharey=True,
        layout="constrained",
        squeeze=False,
    )
    colours = _colours(experiments)
    for axis, runs in zip(axes[:, 0], experiments, strict=True):
        _panel(axis, runs, colours)
    handles = {
        label: handle
        for axis in axes[:, 0]
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    if handles:
        figure.legend(
            handles.values(), handles.keys(), loc="outside right upper", fontsize=8, frameon=False
        )
    axes[-1, 0].set_xlabel("run")
    figure.savefig(path, format="svg", metadata={"Date": None})
    plt.close(figure)


def _panel(axis: Any, runs: Runs, colours: Mapping[str, str]) -> None:  # noqa: ANN401  matplotlib's
    good = runs.good
    heights = [0.0] * len(good)
    places = [run.number for run in good]
    for name in runs.parts:
        seconds = [run.breakdown.get(name, 0.0) for run in good]
        if not any(seconds):
            continue
        label = name.replace("_", " ")
        axis.bar(places, seconds, bottom=heights, color=colours[name], width=0.8, label=label)
        heights = [below + more for below, more in zip(heights, seconds, strict=True)]
    failed = [run for run in runs.counted if not run.is_ok]
    if failed:
        ends = [run.seconds or 0.0 for run in failed]
        numbers = [run.number for run in failed]
        axis.scatter(numbers, ends, marker="x", color=_FAILED, s=24, label="failed", zorder=3)
        for run, end in zip(failed, ends, strict=True):
            _name(axis, run, end)
    told = f"{runs.experiment.label}: {len(good)} of {len(runs.counted)} ok"
    axis.set_title(told, loc="left", fontsize=10, parse_math=False)
    axis.set_ylabel("seconds")
    axis.locator_params(axis="x", integer=True)
    axis.tick_params(labelsize=8)
    axis.margins(y=0.2)
    axis.spines[["top", "right"]].set_visible(False)


def _name(axis: Any, run: Run, end: float) -> None:  # noqa: ANN401
    axis.annotate(
        run.outcome.replace("_", " "),
        (run.number, end),
        xytext=(0, 5),
        textcoords="offset points",
        rotation=90,
        ha="center",
        va="bottom",
        fontsize=7,
        color=_FAILED,
    )


def _colours(experiments: Sequence[Runs]) -> dict[str, str]:
    names = dict.fromkeys(name for runs in experiments for name in runs.parts)
    others = [name for name in names if name not in _COLOURS]
    own = {name: _OTHERS[place % len(_OTHERS)] for place, name in enumerate(others)}
    return {**_COLOURS, **own}
