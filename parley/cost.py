"""`parley cost`: what was spent, by replies or by RunPod's records, beside a plan."""

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from planner.money.cost import Column, Part
    from planner.money.cost_report import Spending

_COLUMNS = ("day", "endpoint", "shape")
_MOST_DAYS = 3650


def cost(  # noqa: PLR0913  one parameter an option
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILE", help="Replies: JSON, or one a line; or saved records."),
    ] = None,
    *,
    billing: Annotated[
        bool, typer.Option("--billing", help="Ask RunPod what it billed (RUNPOD_API_KEY).")
    ] = False,
    days: Annotated[
        int, typer.Option(min=1, max=_MOST_DAYS, metavar="N", help="Last days of --billing.")
    ] = 30,
    endpoint: Annotated[
        str | None, typer.Option(metavar="ID", help="Only this endpoint of --billing.")
    ] = None,
    by: Annotated[
        str, typer.Option(metavar="COLUMNS", help="Lines by day,endpoint,shape, or some of them.")
    ] = ",".join(_COLUMNS),
    plan: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Compare with `parley plan --json`.")
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out what cannot be read.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Add up what transcripts cost.

    Replies know what each request took; RunPod's records know all that is paid for, idle workers
    and failed attempts too. Give either or both, and a plan to hold them against.

    [bold]Examples[/bold]
      parley cost transcripts/*.json
      parley cost --billing --days 7 --by endpoint
      parley cost replies.jsonl --billing --plan plan.json

    [bold]Exit status[/bold]
      0    the sums are there
      1    RunPod refuses, or answers what cannot be read
      2    wrong usage, or a file that cannot be read; its lines are named
      3    RunPod cannot be reached; the same command may succeed later
    """
    from planner.errors import PlanError  # noqa: PLC0415  what is heavy loads when it is needed

    columns = [column for part in by.split(",") if (column := part.strip())]
    if unknown := sorted(set(columns) - set(_COLUMNS)):
        message = f"{', '.join(unknown)}: choose of {', '.join(_COLUMNS)}."
        raise typer.BadParameter(message, param_hint="--by")
    try:
        spending = _spending(
            files or [],
            bills=(days, endpoint) if billing else None,
            by=columns,
            plan=plan,
            skip_bad=skip_bad,
        )
    except PlanError as error:
        from parley.session import tell  # noqa: PLC0415

        tell(str(error), style="red")
        raise typer.Exit(error.status) from None
    if as_json:
        from planner.money.cost_report import body  # noqa: PLC0415

        sys.stdout.write(json.dumps(body(spending), indent=2) + "\n")
        return
    from planner.money.cost_report import show  # noqa: PLC0415
    from planner.screen import console  # noqa: PLC0415

    show(spending, console())


def _spending(
    files: list[Path],
    *,
    bills: tuple[int, str | None] | None,
    by: list[str],
    plan: Path | None,
    skip_bad: bool,
) -> "Spending":
    """Read everything, and add it up.

    Args:
        files: of replies and saved records.
        bills: days and endpoint to ask RunPod for; None where it is not to be asked.
        by: what tells lines apart.
        plan: a file to compare with.
        skip_bad: leave out what cannot be read.

    Raises:
        PlanError: it cannot be done; the leaf says why.

    """
    from typing import cast  # noqa: PLC0415

    from planner.errors import CostNothing  # noqa: PLC0415
    from planner.money.cost import compare, summarise  # noqa: PLC0415
    from planner.money.cost_files import read_files, read_plan  # noqa: PLC0415
    from planner.money.cost_report import Spending  # noqa: PLC0415

    options = read_plan(plan) if plan else None
    found = read_files(files, skip_bad=skip_bad)
    billed: list[Part] = [record.part(names={}, shapes={}) for record in found.bills]
    if bills is not None:
        billed += _asked(*bills)
    if not found.parts and not billed and bills is None:
        raise CostNothing(what="There is no reply" if files else "No file is named")
    columns = cast("list[Column]", by)
    compared = None
    if options is not None:
        # the bill knows everything that was paid for
        compared = compare(summarise(billed or found.parts, by=["shape"]), options)
    return Spending(
        replies=summarise(found.parts, by=columns) if found.parts else None,
        bills=summarise(billed, by=columns) if billed or bills is not None else None,
        compared=compared,
        skipped=found.skipped,
    )


def _asked(days: int, endpoint: str | None) -> "list[Part]":
    """Ask RunPod for its records.

    Raises:
        AccountError: there is no key, or it does not tell.

    """
    import asyncio  # noqa: PLC0415

    import aiohttp  # noqa: PLC0415

    from planner.money.bills import read_bills  # noqa: PLC0415
    from planner.money.management import Account, Management  # noqa: PLC0415

    account = Account.read(os.environ, what="its records of billing")

    async def ask() -> "list[Part]":
        async with aiohttp.ClientSession(trust_env=True) as session:
            management = Management(account, session=session)
            return await read_bills(management, days=days, endpoint=endpoint)

    return asyncio.run(ask())
