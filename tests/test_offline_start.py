"""With no network at all and a filled Model Store every worker starts and serves."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from demo.hub import DIARIZER, HUB, TRANSCRIBER

ALONE: Final = ("unshare", "--net", *(() if os.geteuid() == 0 else ("--map-root-user",)))
"""Starts a command in a network that has nothing but a loopback interface, which is down."""

SPOKEN: Final = "did robert finish the report"


def _why_not() -> str:
    """What keeps this machine from taking a process's network away; empty if nothing does."""
    missing = [tool for tool in ("unshare", "ip") if shutil.which(tool) is None]
    if missing:
        return f"there is no {missing[0]} on this machine"
    tried = subprocess.run(  # noqa: S603
        (*ALONE, "true"), capture_output=True, text=True, check=False
    )
    return tried.stderr.strip() if tried.returncode else ""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's models as RunPod's Model Store holds models."""
    hub = tmp_path_factory.mktemp("runpod-volume") / "huggingface-cache" / "hub"
    shutil.copytree(HUB, hub, symlinks=True)
    return hub


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("offline")


@pytest.fixture(scope="module")
def found(store: Path, folder: Path) -> dict[str, Any]:
    """What all workers answered, in a network of their own."""
    if reason := _why_not():
        pytest.skip(f"a process cannot be cut off from the network here: {reason}")
    inside = 'ip link set lo up && exec "$@"'
    command = (sys.executable, "-m", "tests.offline_shapes", str(store), str(folder))
    done = subprocess.run(  # noqa: S603
        (*ALONE, "sh", "-c", inside, "sh", *command),
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_there_is_no_network(found: dict[str, Any]) -> None:
    assert found["interfaces"] == ["lo"]
    assert found["outside"] == "Network is unreachable"


@pytest.mark.parametrize("shape", ["single", "orch"])
def test_every_worker_serves_from_the_store(found: dict[str, Any], shape: str) -> None:
    reply = found["replies"][shape]
    assert "error" not in reply, reply["error"]
    assert reply["text"].lower().startswith(SPOKEN)
    assert reply["speakers"]
    models = {role: (m["name"], m["source"]) for role, m in reply["models"].items()}
    assert models == {"transcriber": (TRANSCRIBER, "store"), "diarizer": (DIARIZER, "store")}


def test_the_store_is_only_read_and_nothing_is_downloaded(
    found: dict[str, Any], store: Path, folder: Path
) -> None:
    assert found
    assert _files(store) == _files(HUB)
    assert _files(folder / "volume") == set()


def _files(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
