"""Makes the worked example of docs/planning.md anew: `python -m benchmarks.planning`.

It plans for the profile `brief`, writes what `parley plan --profile brief` prints between the marks
of the document, and the pictures beside it. The published prices count, whatever key there is.
"""

import re
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Final

from rich.console import Console

from handlers.prices import PriceList
from planner.options.advice import LARGEST, Goal
from planner.options.planning import Asked, answer
from planner.screen import console
from planner.traffic.log_columns import Columns

DOCUMENT: Final = Path("docs/planning.md")
_WIDTH: Final = 116
_MARKS: Final = re.compile(
    r"(<!-- made by benchmarks/planning.py -->\n)(.*?)(<!-- end -->)", re.DOTALL
)


def example(*, pictures: Path | None = None, largest: float = LARGEST) -> str:
    """What `parley plan --profile brief` prints.

    Args:
        pictures: folder for them; None for none.
        largest: how many times the traffic is looked at.

    """
    out = StringIO()
    answer(
        Asked(profile="brief", columns=Columns(), goal=Goal(), pictures=pictures, largest=largest),
        prices=PriceList.read(),
        out=Console(file=out, width=_WIDTH, highlight=False),
        err=console(stderr=True),
        today=datetime.now(UTC).date(),
    )
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def inserted(text: str, shown: str) -> str:
    """The document with another example in it.

    Raises:
        ValueError: it has no place for one.

    """
    made, count = _MARKS.subn(lambda found: f"{found[1]}```text\n{shown}\n```\n{found[3]}", text)
    if count != 1:
        message = f"{DOCUMENT} has {count} places for the example instead of one"
        raise ValueError(message)
    return made


def main() -> None:
    shown = example(pictures=DOCUMENT.parent)
    DOCUMENT.write_text(inserted(DOCUMENT.read_text(encoding="utf-8"), shown), encoding="utf-8")
    print(f"{DOCUMENT} and its pictures are made anew.")


if __name__ == "__main__":
    main()
