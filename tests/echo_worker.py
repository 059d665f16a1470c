"""A worker for the tests of the local platform: the SDK, and a handler that does as it is told."""

import asyncio
import os
import sys
import types
from typing import Any

# the SDK's debugger asks the processor for its name: a second of every start
sys.modules["cpuinfo"] = types.ModuleType("cpuinfo")
sys.modules["cpuinfo"].get_cpu_info = lambda: {"brand_raw": ""}  # type: ignore[attr-defined]

import runpod  # noqa: E402


async def handler(job: dict[str, Any]) -> dict[str, Any]:
    wish = job["input"]
    if progress := wish.get("progress"):
        runpod.serverless.progress_update(job, progress)
        await asyncio.sleep(0.5)
    if wish.get("fail"):
        raise ValueError(wish["fail"])
    await asyncio.sleep(wish.get("sleep", 0))
    if wish.get("die"):
        os._exit(1)
    if wish.get("refresh"):
        return {"refresh_worker": True}
    if wish.get("pid"):
        return {"pid": os.getpid()}
    if size := wish.get("size"):
        return {"text": "x" * size}
    return {"echo": wish.get("say")}


def concurrency(_current: int) -> int:
    return int(os.environ.get("ECHO_CONCURRENCY", "1"))


def is_fit() -> None:
    if reason := os.environ.get("ECHO_UNFIT"):
        raise RuntimeError(reason)


if __name__ == "__main__":
    runpod.serverless.register_fitness_check(is_fit)
    runpod.serverless.start({"handler": handler, "concurrency_modifier": concurrency})
