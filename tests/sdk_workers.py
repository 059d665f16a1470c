"""Workers of the unmodified SDK as processes, for the tests of the local platform."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType

from emulator.platform import LocalPlatform

NOTHING: Mapping[str, str] = MappingProxyType({})


@asynccontextmanager
async def sdk_worker(
    platform: LocalPlatform,
    endpoint: str,
    *,
    name: str = "w1",
    module: str = "tests.echo_worker",
    environment: Mapping[str, str] = NOTHING,
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a worker that knows of the platform by its environment alone."""
    connected = platform.worker_environment(endpoint, name)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        env={**os.environ, **connected, **environment},
        start_new_session=True,  # its heartbeat is a child: one signal reaches both
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        platform.queues[endpoint].worker_gone(name)
