"""A worker for the tests of the local platform: the SDK, and a handler that does as it is told."""

import asyncio
from typing import Any

import runpod


async def handler(job: dict[str, Any]) -> dict[str, Any]:
    wish = job["input"]
    if progress := wish.get("progress"):
        runpod.serverless.progress_update(job, progress)
        await asyncio.sleep(0.5)
    if wish.get("fail"):
        raise ValueError(wish["fail"])
    await asyncio.sleep(wish.get("sleep", 0))
    return {"echo": wish.get("say")}


if __name__ == "__main__":
    runpod.serverless.start({"handler": handler})
