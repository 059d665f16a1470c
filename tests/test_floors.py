"""What may be imported where, as a process sees it; import-linter holds the static half."""

import subprocess
import sys

import pytest

import parley

HEAVY = ("torch", "nemo", "pyannote", "lightning", "transformers")


def modules_after(statement: str) -> set[str]:
    """The top-level packages that a fresh process holds after a statement."""
    program = f"{statement}; import sys; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("entry_point", ["single", "transcription", "diarization"])
def test_wiring_an_endpoint_imports_no_engine(entry_point: str) -> None:
    assert modules_after(f"import handlers.{entry_point}").isdisjoint(HEAVY)


def test_an_orchestrator_and_a_client_hold_no_engine_and_no_array() -> None:
    held = modules_after("import orchestrator.handler, parley, parley.cli")
    assert held.isdisjoint((*HEAVY, "numpy", "av", "soundfile"))


@pytest.mark.parametrize(
    "room",
    [
        "conversation",
        "jobs",
        "replies",
        "schema",
        "launch",
        "sources",
        "worker",
        "formats",
        "alignment",
        "transcriber",
        "diarizer",
    ],
)
def test_what_a_cpu_worker_needs_is_light(room: str) -> None:
    assert modules_after(f"import handlers.{room}").isdisjoint((*HEAVY, "numpy", "av", "soundfile"))


def test_the_commands_help_waits_for_no_client() -> None:
    assert modules_after("import parley.cli").isdisjoint(("aiohttp", "pydantic", "boto3", "rich"))


def test_everything_that_is_public_is_there() -> None:
    assert all(hasattr(parley, name) for name in parley.__all__)
