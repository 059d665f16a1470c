"""A shape's manifest: what it may say, and what is said of one that says something else."""

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deploy.errors import ManifestInvalid
from deploy.manifest import ROLES, SHAPES, Shape
from deploy.manifest_file import FOLDER, parse_manifest, read_manifest
from handlers.settings import Settings
from orchestrator.settings import OrchestratorSettings
from tests.deployments import called, manifest_of, values_of

DEFAULT_QUOTA = 5
LOCK = Path(__file__).parent.parent / "docker" / "locks" / "single.txt"


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_has_a_manifest_of_its_roles(shape: Shape) -> None:
    manifest = read_manifest(FOLDER / f"{shape}.toml")
    assert manifest.shape == shape
    assert {endpoint.role for endpoint in manifest.endpoints} == ROLES[shape]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_new_account_has_room_for_any_one_shape(shape: Shape) -> None:
    manifest = manifest_of(shape)
    assert sum(endpoint.workers.max for endpoint in manifest.endpoints) <= DEFAULT_QUOTA


@pytest.mark.parametrize("shape", SHAPES)
def test_the_driver_is_one_that_knows_the_cuda_of_the_locked_torch(shape: Shape) -> None:
    locked = re.search(r"^nvidia-cuda-runtime\S*==(\d+\.\d+)\.", LOCK.read_text(), re.MULTILINE)
    assert locked is not None
    wanted = {one.gpu.min_cuda for one in manifest_of(shape).endpoints if one.gpu}
    assert wanted == {locked[1]}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_models_are_those_that_workers_look_for(shape: Shape) -> None:
    settings = Settings()
    named = {model.repository for one in manifest_of(shape).endpoints for model in one.models}
    assert named == {settings.transcriber_model, settings.diarizer_model}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_value_is_explained(shape: Shape) -> None:
    """Each key, or the table that it is in, has a comment on its line or right above."""
    lines = (FOLDER / f"{shape}.toml").read_text().splitlines()
    plain = {"shape", "name", "role", "image", "repository", "source", "flavor", "vcpus", "min"}
    for number, line in enumerate(lines):
        key = re.match(r"(\w+) = ", line)
        if key is None or key[1] in plain or key[1].isupper() or key[1] == "flashboot":
            continue
        above = lines[number - 1]
        is_explained = "#" in line or above.startswith("#") or re.match(r"\w+ = .*#", above)
        assert is_explained, f"{shape}.toml, line {number + 1}: {line}"


def test_the_single_endpoint_never_downloads_its_weights() -> None:
    (single,) = manifest_of("single").endpoints
    assert [model.source for model in single.models] == ["store", "image"]
    assert single.environment["PARLEY_WEIGHTS_FROM"] == "store,image"


def test_the_orchestrator_outlives_the_jobs_that_it_gives_up() -> None:
    orchestrator = manifest_of("orch").role("orchestrator")
    assert orchestrator.timeout_seconds > OrchestratorSettings().job_seconds


def remove(*path: str) -> Callable[[dict[str, Any]], None]:
    def change(values: dict[str, Any]) -> None:
        here = values["endpoints"][0]
        for key in path[:-1]:
            here = here[key]
        del here[path[-1]]

    return change


def put(*path: str, value: object) -> Callable[[dict[str, Any]], None]:
    """Set a value of the first endpoint."""

    def change(values: dict[str, Any]) -> None:
        here = values["endpoints"][0]
        for key in path[:-1]:
            here = here.setdefault(key, {})
        here[path[-1]] = value

    return change


def top(key: str, value: object) -> Callable[[dict[str, Any]], None]:
    return lambda values: values.update({key: value})


AT = r"endpoints\[parley-single\]"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (top("shape", "triple"), "shape: should be 'single', 'split' or 'orch' and is 'triple'"),
        (top("shapes", 1), "shapes: is no key; did you mean shape?"),
        (put("worker", value=1), rf"{AT}\.worker: is no key; did you mean workers\?"),
        (put("workers", "maximum", value=1), rf"{AT}\.workers\.maximum: is no key; .*max"),
        (remove("disk_gb"), rf"{AT}\.disk_gb: is missing"),
        (remove("flashboot"), rf"{AT}\.flashboot: is missing"),
        (put("flashboot", value="ON"), rf"{AT}\.flashboot: should be 'OFF', 'FLASHBOOT' or"),
        (put("workers", "max", value="3"), rf"{AT}\.workers\.max: should be a valid integer"),
        (put("workers", "max", value=0), rf"{AT}\.workers\.max: should be greater than or equal"),
        (put("workers", "min", value=4), rf"{AT}\.workers: min should be 0 to max, which is 3"),
        (put("workers", "idle_seconds", value=4000), rf"{AT}\.workers\.idle_seconds: .*3600"),
        (remove("workers", "idle_seconds"), rf"{AT}: workers\.idle_seconds should be given"),
        (put("scaling", "value", value=0.1), rf"{AT}\.scaling: value should be 0\.5 seconds"),
        (put("scaling", "value", value=2.5), rf"{AT}: scaling\.value should be whole"),
        (put("scaling", "type", value="REQUEST_COUNT"), "idle_seconds should be left out"),
        (put("timeout_seconds", value=1), rf"{AT}\.timeout_seconds: .*equal to 5"),
        (put("gpu", "pools", value=[]), rf"{AT}\.gpu\.pools: .*at least 1"),
        (put("gpu", "min_cuda", value="thirteen"), rf"{AT}\.gpu\.min_cuda: "),
        (remove("gpu"), rf"{AT}: gpu or cpu should be given, and not both"),
        (put("cpu", value=[{"flavor": "cpu3c", "vcpus": 2}]), "gpu or cpu should be given"),
        (put("name", value="parley single"), "'parley single' should be letters, digits"),
        (put("image", value="ghcr.io/a/b:1"), "should be an image's name without registry"),
        (put("variant", value="thin"), "variant should be baked or baked-diarizer"),
        (
            put("environment", "PARLEY_WEIGHTS_FROM", value="store,hub"),
            rf"{AT}: environment\.PARLEY_WEIGHTS_FROM should hold image, of a model",
        ),
        (
            lambda values: values["endpoints"][0]["models"][1].update(source="store"),
            r'environment should hold HF_TOKEN = "\$\{HF_TOKEN\}": a model is gated',
        ),
        (
            lambda values: (
                values["endpoints"][0]["models"].pop(),
                values["endpoints"][0]["models"][0].update(source="volume"),
                put("environment", "PARLEY_WEIGHTS_FROM", value="volume")(values),
            ),
            "should hold hub: it fills the volume once",
        ),
        (put("role", value="orchestrator"), "endpoints should have these roles.*: single"),
        (put("environment", "A", value="x${HOME}"), r"A should be a text without \$\{"),
        (put("environment", "A", value="${endpoint:single}"), "another endpoint's role: none"),
        (put("environment", "A-B", value="1"), "'A-B' should be a variable's name"),
        (put("warm", value={"hours": "9 to 5"}), "no hours; write for instance 17:00-23:00"),
        (
            put("warm", value={"hours": "09:00-17:00", "time_zone": "Mars/North"}),
            "no time zone; write for instance UTC",
        ),
        (put("warm", value={"hours": "09:00-17:00", "workers": 9}), "warm.workers should be"),
        (
            put("warm", value={"hours": "09:00-17:00", "days": ["monday"]}),
            r"days\[0\]: should be 'mon', 'tue'",
        ),
        (
            lambda values: (
                values["endpoints"][0]["models"][0].update(source="volume"),
                values["endpoints"][0]["environment"].pop("PARLEY_WEIGHTS_FROM"),
            ),
            r"models with source volume need a table \[volume\]",
        ),
        (
            lambda values: values["endpoints"][0]["models"][0].update(repository="parakeet"),
            r"models\[0\]\.repository: 'parakeet' should be organisation/name",
        ),
        (top("volume", {"name": "v", "size_gb": 5, "data_center": "X"}), r"volume\.size_gb: .*10"),
        (top("endpoints", []), "endpoints should have these roles"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(
    change: Callable[[dict[str, Any]], None], message: str
) -> None:
    values = copy.deepcopy(values_of("single"))
    change(values)
    with pytest.raises(ManifestInvalid, match=message) as caught:
        parse_manifest(values, file="mine.toml")
    assert str(caught.value).startswith("mine.toml cannot be used")


def test_every_wrong_value_is_told_at_once() -> None:
    values = copy.deepcopy(values_of("single"))
    values["endpoints"][0] |= {"disk_gb": 0, "flashboot": "ON", "colour": "red"}
    with pytest.raises(ManifestInvalid) as caught:
        parse_manifest(values, file="mine.toml")
    assert len(caught.value.problems) == 3


def test_a_cpu_endpoint_has_no_cached_models_and_little_disk() -> None:
    def cache(values: dict[str, Any]) -> None:
        called(values, "orchestrator")["models"] = [{"repository": "a/b"}]

    def fill(values: dict[str, Any]) -> None:
        called(values, "orchestrator")["disk_gb"] = 50

    with pytest.raises(ManifestInvalid, match="caches models for GPU endpoints only"):
        manifest_of("orch", cache)
    with pytest.raises(ManifestInvalid, match="at most 20 for 2 vCPUs of cpu3c"):
        manifest_of("orch", fill)


def test_a_volume_ties_the_gpu_endpoints_to_its_data_center() -> None:
    def tie(values: dict[str, Any]) -> None:
        values["volume"] = {"name": "w", "size_gb": 10, "data_center": "EU-RO-1"}
        called(values, "diarization")["data_centers"] = ["US-TX-3"]

    with pytest.raises(ManifestInvalid, match=r"data_centers should be \[\] or \['EU-RO-1'\]"):
        manifest_of("split", tie)


def test_two_endpoints_have_two_names() -> None:
    def name(values: dict[str, Any]) -> None:
        for endpoint in values["endpoints"]:
            endpoint["name"] = "same"

    with pytest.raises(ManifestInvalid, match="different names"):
        manifest_of("split", name)


def test_what_a_variable_holds_is_in_no_message() -> None:
    secret = "hf_written-into-the-manifest"  # noqa: S105  nobody takes it
    values = copy.deepcopy(values_of("single"))
    values["endpoints"][0]["environment"] |= {"HF_TOKEN": secret, "A-B": secret}
    with pytest.raises(ManifestInvalid) as caught:
        parse_manifest(values, file="mine.toml")
    assert secret not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "it cannot be read: No such file"), ("shape =", "it is no TOML")],
)
def test_a_file_that_is_no_manifest_is_named(
    tmp_path: Path, content: str | None, message: str
) -> None:
    path = tmp_path / "mine.toml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ManifestInvalid, match=message) as caught:
        read_manifest(path)
    assert str(path) in str(caught.value)
