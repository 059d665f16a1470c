"""The figures as a picture: a bar for each worker, a mark for the floor, a mark for what counts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.cold.contests import OURS, PLAIN, PREPARED
from benchmarks.cold.results import Result

_COLOURS: Final = {PLAIN: "#c9ced6", OURS: "#3b6fb6", PREPARED: "#7fa8dd"}
_FLOOR: Final = "#1d2430"
_ALLOWED: Final = "#c2410c"


def draw(results: Sequence[Result], path: Path) -> None:
    """Draw a panel for each kind of worker."""
    import matplotlib as mpl  # noqa: PLC0415

    mpl.use("svg")
    import matplotlib.pyplot as plt  # noqa: PLC0415

    mpl.rcParams["svg.hashsalt"] = "parley"
    names = list(dict.fromkeys(result.contest.name for result in results))
    panels = [[result for result in results if result.contest.name == name] for name in names]
    heights = [sum(len(result.starts) for result in panel) for panel in panels]
    figure, axes = plt.subplots(
        len(panels),
        1,
        figsize=(8, 0.35 * sum(heights) + 0.9 * len(panels)),
        height_ratios=heights,
        layout="constrained",
        squeeze=False,
    )
    for axis, panel in zip(axes[:, 0], panels, strict=True):
        _panel(axis, panel)
    axes[0, 0].legend(fontsize=8, frameon=False, loc="lower right")
    axes[-1, 0].set_xlabel("seconds from the start of the process to the first job (medians)")
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def _panel(axis: Any, panel: Sequence[Result]) -> None:  # noqa: ANN401  matplotlib's axes
    bars = [(result, who) for result in panel for who in result.starts][::-1]
    axis.barh(
        range(len(bars)),
        [result.seconds(who) for result, who in bars],
        color=[_COLOURS[who] for _, who in bars],
    )
    for height, (result, who) in enumerate(bars):
        seconds = result.seconds(who)
        share = "" if who == PLAIN else f"  {result.share(who):.0%}"
        axis.text(seconds, height, f" {seconds:.1f} s{share}", va="center", fontsize=8)
        if who != PLAIN:
            first = height == len(bars) - 2
            _mark(axis, height, result.floor.of(result.contest), _FLOOR, "floor" if first else "")
            allowed = result.allowed_share * result.seconds(PLAIN)
            _mark(axis, height, allowed, _ALLOWED, "allowed" if first else "")
    axis.set_yticks(range(len(bars)), [f"{result.cache}, {who}" for result, who in bars])
    axis.set_title(panel[0].contest.name, loc="left", fontsize=10)
    axis.tick_params(labelsize=8)
    axis.margins(x=0.12)
    axis.spines[["top", "right"]].set_visible(False)


def _mark(axis: Any, height: int, seconds: float, colour: str, label: str) -> None:  # noqa: ANN401
    axis.vlines(seconds, height - 0.4, height + 0.4, color=colour, linewidth=2, label=label or None)
