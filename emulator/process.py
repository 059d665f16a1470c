"""A process for a worker, that leaves nothing behind."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from emulator.guard import Guard


class WorkerProcess:
    """A process with a session of its own, so that one signal reaches all its children too."""

    def __init__(self, process: asyncio.subprocess.Process, guard: Guard) -> None:
        self._process = process
        self._guard = guard

    @classmethod
    async def start(
        cls, command: Sequence[str], *, environment: Mapping[str, str], log: Path, guard: Guard
    ) -> Self:
        """Start a command with nothing but environment variables.

        Args:
            command: its words.
            environment: added to this process's own, without what that has of RunPod's.
            log: the file that the output is added to.
            guard: kills it when this process is gone.

        Raises:
            OSError: it cannot be started; the log says so too.

        """
        log.parent.mkdir(parents=True, exist_ok=True)
        own = {name: value for name, value in os.environ.items() if not name.startswith("RUNPOD_")}
        with log.open("ab") as out:
            try:
                process = await asyncio.create_subprocess_exec(
                    *command,
                    env={**own, **environment},
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=out,
                    stderr=asyncio.subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                out.write(f"{error}\n".encode())
                raise
        guard.watch(process.pid)
        return cls(process, guard)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """None while it runs."""
        return self._process.returncode

    async def ended(self) -> int:
        """Wait until it has ended, and see that nothing of it is left; give its exit status."""
        try:
            return await self._process.wait()
        finally:
            self._kill_group()  # a heartbeat outlives a worker that was killed
            self._guard.forget(self.pid)

    async def stop(self, *, grace: float) -> None:
        """Ask it to end, and kill it where it has not after `grace` seconds."""
        if self.returncode is None:
            self._process.terminate()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), grace)
        self.kill()

    def kill(self) -> None:
        """Kill it and all its children at once, unless it has ended."""
        if self.returncode is None:
            self._kill_group()

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
