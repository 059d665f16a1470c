"""A process that outlives this one by a moment, and takes the workers with it.

A worker has a session of its own, so nothing ends it when this process is killed. The guard reads
which workers there are from a pipe; the pipe ends with this process, however that ends.
"""

import asyncio
import contextlib
import os
import signal
import sys


class Guard:
    """Kills the process groups that it watches when this process is gone."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-I", "-S", __file__),
            stdin=asyncio.subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is not for it
        )

    def watch(self, group: int) -> None:
        self._tell(f"+{group}")

    def forget(self, group: int) -> None:
        self._tell(f"-{group}")

    async def close(self) -> None:
        """End it; what it still watches is killed."""
        if self._process and self._process.stdin:
            self._process.stdin.close()
            await self._process.wait()

    def _tell(self, line: str) -> None:
        if self._process and self._process.stdin:
            self._process.stdin.write(f"{line}\n".encode())


def main() -> None:
    """Be the guard: read `+group` and `-group` until the end of the input."""
    watched: set[int] = set()
    for line in sys.stdin:
        group = int(line[1:])
        (watched.add if line[0] == "+" else watched.discard)(group)
    for group in watched:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main()
