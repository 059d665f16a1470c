"""A worker's log as server-sent events."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from aiohttp import web

from emulator.management.problems import look_up, unprocessable
from emulator.management.views import moment

_TAIL: Final = 100
_LONGEST_TAIL: Final = 5000
_PAUSE_SECONDS: Final = 0.2
_SYSTEM: Final = "error pulling image"
"""How a worker's log begins whose container was never started."""


async def follow(request: web.Request, path: Path | None) -> web.StreamResponse:
    """Send the last lines of a log, and go on with what is added to it until the caller leaves.

    Args:
        request: of the caller; `tail` and `source` in its query choose the lines.
        path: the log.

    Raises:
        Problem: there is no log (404), or the query is wrong (422).

    """
    tail, source = request.query.get("tail", str(_TAIL)), request.query.get("source")
    if not tail.isdecimal() or int(tail) > _LONGEST_TAIL:
        message = f"tail: must be from 0 to {_LONGEST_TAIL}"
        raise unprocessable(message)
    if source not in {None, "container", "system"}:
        message = "source: value must be one of 'container', 'system'"
        raise unprocessable(message)
    logs = {} if path is None else {"": path}
    path = look_up(logs, "", "worker")
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    response = web.StreamResponse(headers={**headers, "Content-Type": "text/event-stream"})
    await response.prepare(request)
    done, skipped, number = 0, True, 0
    while True:
        lines, done = _new_lines(path, done)
        if skipped:
            lines, skipped = lines[max(0, len(lines) - int(tail)) :], False
        for line in lines:
            own = "system" if line.startswith(_SYSTEM) else "container"
            if source in {None, own}:
                number += 1
                await response.write(_event(line, own, number))
        await asyncio.sleep(_PAUSE_SECONDS)


def _new_lines(path: Path, done: int) -> tuple[list[str], int]:
    """Read what was added since so many bytes were read; half a line waits."""
    with path.open("rb") as file:
        file.seek(done)
        whole, ends, _ = file.read().rpartition(b"\n")
    text = whole.decode(errors="replace")
    return (text.split("\n") if ends else []), done + len(whole) + len(ends)


def _event(line: str, source: str, number: int) -> bytes:
    ts = moment(datetime.now(UTC))
    data = json.dumps({"ts": ts, "source": source, "line": line})
    return f"id: {ts}/{number:012}\ndata: {data}\n\n".encode()
