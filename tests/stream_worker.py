"""A worker for the tests of the local platform that gives its output in parts."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import runpod


async def handler(job: dict[str, Any]) -> AsyncIterator[int]:
    for number in range(job["input"]["count"]):
        yield number
        await asyncio.sleep(0.1)


if __name__ == "__main__":
    runpod.serverless.start({"handler": handler, "return_aggregate_stream": True})
