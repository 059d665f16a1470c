"""A worker for the tests of the glue: it answers once it has three jobs in hand."""

import asyncio
from typing import Any

from handlers.progress import Progress, Step
from handlers.worker import serve

TOGETHER = 3

_here: set[str] = set()


async def answer(raw: dict[str, Any], progress: Progress) -> dict[str, Any]:
    _here.add(raw["name"])
    for step in range(5):
        progress(Step("transcribe", step / 5))
        await asyncio.sleep(0.05)
    while len(_here) < TOGETHER:
        await asyncio.sleep(0.05)
    return {"here": sorted(_here)}


if __name__ == "__main__":
    serve(answer, max_result_bytes=1000, progress_interval=0.0, concurrency=TOGETHER)
