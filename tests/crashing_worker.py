"""A worker for the tests of the glue: sixteen jobs at once share an engine, whose GPU fails."""

import asyncio
import os
import time
from typing import Any

from handlers.model_thread import CheckCancelled, ModelThread
from handlers.progress import Progress
from handlers.torch_device import typed_failures
from handlers.worker import serve

ILLEGAL = "CUDA error: an illegal memory access was encountered"


class Engine:
    """Works until its `crash_at`th job, and never after it, as CUDA in a process."""

    def __init__(self, *, crash_at: int) -> None:
        self._thread = ModelThread("engine")
        self._crash_at = crash_at
        self._uses = 0

    async def answer(self, raw: dict[str, Any], _progress: Progress) -> dict[str, Any]:
        await asyncio.sleep(raw.get("download", 0))
        await self._thread.run(self._use)
        return {"by": os.environ["RUNPOD_POD_ID"]}

    def _use(self, _check: CheckCancelled) -> None:
        with typed_failures("transcriber", advice="Send less"):
            self._uses += 1
            time.sleep(0.02)
            if self._uses >= self._crash_at > 0:
                raise RuntimeError(ILLEGAL)


if __name__ == "__main__":
    engine = Engine(crash_at=int(os.environ.get("CRASH_AT", "0")))
    serve(engine.answer, max_result_bytes=1000, progress_interval=0.0, concurrency=16)
