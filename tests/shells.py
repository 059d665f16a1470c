"""Runs deployments as somebody would, against the local platform."""

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from emulator.endpoint import LocalRunPod
from tests.deployments import VARIABLES

ROOT: Final = Path(__file__).parents[1]


@dataclass
class Shell:
    """Runs a command, and keeps all that it writes.

    Attributes:
        runpod: the account.
        variables: of the environment, beside those of an account with all its secrets.
        command: what the words of each call are given to.
        outputs: of all calls.

    """

    runpod: LocalRunPod
    variables: Mapping[str, str] = field(default_factory=dict)
    command: Sequence[str] = (sys.executable, "-m", "deploy")
    outputs: list[str] = field(default_factory=list)

    async def __call__(self, *words: str, **variables: str) -> tuple[int, str]:
        environment = {
            **os.environ,
            **VARIABLES,
            "RUNPOD_API_BASE": self.runpod.platform.url,
            "IMAGE_REGISTRY": "ghcr.io/somebody",
            "IMAGE_TAG": "1.0",
            **self.variables,
            **variables,
        }
        process = await asyncio.create_subprocess_exec(
            *self.command,
            *words,
            cwd=ROOT,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        content, _ = await process.communicate()
        self.outputs.append(content.decode())
        assert process.returncode is not None
        return process.returncode, self.outputs[-1]
