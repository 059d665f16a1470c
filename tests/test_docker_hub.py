"""What RunPod's Hub is told, held against the rules of its publishing guide.

https://docs.runpod.io/hub/publishing-guide
"""

import json
from pathlib import Path
from typing import Any, Final

import pytest
from pydantic import TypeAdapter

from handlers.jobs import Job, read_job
from handlers.lean_imports import SWITCH
from handlers.settings import Settings

ROOT: Final = Path(__file__).parents[1]
HUB: Final[dict[str, Any]] = json.loads((ROOT / ".runpod" / "hub.json").read_text())
TESTS: Final[dict[str, Any]] = json.loads((ROOT / ".runpod" / "tests.json").read_text())
ENVIRONMENT: Final[list[dict[str, Any]]] = HUB["config"]["env"]
INPUTS: Final[dict[str, dict[str, Any]]] = {
    entry["key"]: entry["input"] for entry in ENVIRONMENT if "input" in entry
}
TYPES: Final = {
    "string": str,
    "number": int | float,
    "boolean": bool,
    "huggingface": str,
}
KNOWN_OF_INPUTS: Final = {
    *("name", "type", "description", "default", "required", "advanced", "options"),
    *("min", "max", "trueValue", "falseValue"),
}


def variables() -> dict[str, str]:
    """What a worker reads: the variable of each setting, and the setting."""
    found: dict[str, str] = {}
    for name, setting in Settings.model_fields.items():
        alias = setting.validation_alias
        names = [f"PARLEY_{name.upper()}"] if alias is None else []
        names += (
            [alias] if isinstance(alias, str) else [str(c) for c in getattr(alias, "choices", ())]
        )
        found |= dict.fromkeys(names, name)
    return found


def test_the_listing_says_what_it_must() -> None:
    assert set(HUB) <= {"title", "description", "type", "category", "iconUrl", "config"}
    assert HUB["type"] == "serverless"
    assert HUB["category"] in {"audio", "embedding", "language", "video", "image"}
    assert HUB["title"]
    assert HUB["description"]


def test_the_machine_is_one_that_there_is() -> None:
    config = HUB["config"]
    assert set(config) <= {
        *("runsOn", "endpointType", "containerDiskInGb", "cpuFlavor", "gpuCount", "gpuIds"),
        *("allowedCudaVersions", "env", "presets"),
    }
    assert config["runsOn"] == "GPU"
    assert "cpuFlavor" not in config
    assert config["containerDiskInGb"] >= 20  # 6 GB of image, 3 GB of weights, long recordings
    assert config["gpuCount"] == 1
    lock = (ROOT / "docker" / "locks" / "single.txt").read_text()
    assert "nvidia-cuda-runtime==13.0" in lock  # of the wheels of torch
    assert set(config["allowedCudaVersions"]) == {"13.0"}
    assert set(TESTS["config"]["allowedCudaVersions"]) == {"13.0"}


@pytest.mark.parametrize("entry", ENVIRONMENT, ids=lambda entry: entry["key"])
def test_a_variable_has_a_value_or_asks_for_one_of_its_type(entry: dict[str, Any]) -> None:
    assert set(entry) in ({"key", "value"}, {"key", "input"})
    if "value" in entry:
        assert isinstance(entry["value"], str)
        return
    asked = entry["input"]
    assert set(asked) <= KNOWN_OF_INPUTS
    assert {"name", "type", "description"} <= set(asked)
    kind = TYPES[asked["type"]]
    if "default" in asked:
        assert isinstance(asked["default"], kind)
        assert isinstance(asked["default"], bool) == (asked["type"] == "boolean")
    if "options" in asked:
        assert all(set(option) == {"label", "value"} for option in asked["options"])
        assert asked["default"] in [option["value"] for option in asked["options"]]
    if {"min", "max"} & set(asked):
        assert asked["type"] == "number"
        assert asked["min"] <= asked["default"] <= asked["max"]
    if {"trueValue", "falseValue"} & set(asked):
        assert asked["type"] == "boolean"


def test_every_variable_is_one_that_a_worker_reads_and_is_asked_for_once() -> None:
    keys = [entry["key"] for entry in ENVIRONMENT]
    assert len(keys) == len(set(keys))
    assert set(keys) <= {*variables(), SWITCH}


@pytest.mark.parametrize("key", sorted(set(INPUTS) - {SWITCH}))
def test_the_settings_take_what_can_be_entered(key: str) -> None:
    asked = INPUTS[key]
    setting = Settings.model_fields[variables()[key]]
    kind: Any = setting.annotation
    read = TypeAdapter(kind)
    if "default" in asked:
        assert read.validate_python(asked["default"]) == setting.default
    for option in asked.get("options", ()):
        read.validate_python(option["value"])


@pytest.mark.parametrize("key", sorted(key for key in INPUTS if "min" in INPUTS[key]))
def test_the_settings_take_the_least_and_the_most(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for end in ("min", "max"):
        monkeypatch.setenv(key, str(INPUTS[key][end]))
        assert getattr(Settings.read(), variables()[key]) == INPUTS[key][end]


@pytest.mark.parametrize("preset", HUB["config"]["presets"], ids=lambda preset: preset["name"])
def test_a_preset_gives_values_that_can_be_entered(preset: dict[str, Any]) -> None:
    assert set(preset) == {"name", "defaults"}
    for key, value in preset["defaults"].items():
        assert isinstance(value, TYPES[INPUTS[key]["type"]])
        options = [option["value"] for option in INPUTS[key].get("options", ())]
        assert not options or value in options


def test_no_secret_has_a_value() -> None:
    secrets = {key for key in INPUTS if "TOKEN" in key or "KEY" in key}
    assert secrets == {"HF_TOKEN", "BUCKET_ACCESS_KEY_ID", "BUCKET_SECRET_ACCESS_KEY"}
    assert all("default" not in INPUTS[key] for key in secrets)


def test_the_tests_are_jobs() -> None:
    assert set(TESTS) == {"tests", "config"}
    assert {"gpuTypeId", "gpuCount", "env", "allowedCudaVersions"} == set(TESTS["config"])
    assert TESTS["tests"]
    for one in TESTS["tests"]:
        assert set(one) == {"name", "input", "timeout"}
        assert one["timeout"] > 60_000  # milliseconds, with the weights on their way
        assert read_job(one["input"], Job)
    assert {entry["key"] for entry in TESTS["config"]["env"]} <= set(variables())


def test_it_finds_what_it_needs_in_the_repository() -> None:
    here = ROOT / ".runpod"
    assert (ROOT / "README.md").exists()
    assert "handlers.single" in (here / "handler.py").read_text()
    # a link might not be followed: the same file once more
    assert (here / "Dockerfile").read_text() == (ROOT / "docker" / "single.Dockerfile").read_text()
