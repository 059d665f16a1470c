"""The workflows: pinned actions, no more rights than they need, and what they refer to exists."""

import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml  # type: ignore[import-untyped]

ROOT: Final = Path(__file__).parents[1]
WORKFLOWS: Final = [
    *sorted((ROOT / ".github" / "workflows").glob("*.yml")),
    *sorted((ROOT / "deploy").glob("*.yml")),  # for users to copy
]
IMAGES: Final = ROOT / ".github" / "workflows" / "images.yml"


def read(path: Path) -> dict[Any, Any]:
    told: dict[Any, Any] = yaml.safe_load(path.read_text())
    return told


def steps(path: Path) -> list[dict[str, Any]]:
    return [step for job in read(path)["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_to_what_was_looked_at(path: Path) -> None:
    used = [step["uses"] for step in steps(path) if "uses" in step]
    assert all(re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}", one) for one in used), used
    assert path.read_text().count(" # v") == len(used)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_nobody_may_write_who_does_not_have_to(path: Path) -> None:
    workflow = read(path)
    assert workflow["permissions"] in ({}, {"contents": "read"})
    for name, job in workflow["jobs"].items():
        assert job["timeout-minutes"] <= 90
        rights = job.get("permissions", {})
        writing = {right for right, degree in rights.items() if degree == "write"}
        assert writing == ({"packages"} if (path.name, name) == ("images.yml", "build") else set())


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_no_expression_becomes_part_of_a_script(path: Path) -> None:
    for step in steps(path):
        assert "${{" not in step.get("run", "")
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


def test_every_image_is_built_from_the_same_base_on_a_tag() -> None:
    workflow = read(IMAGES)
    assert workflow[True] == {"push": {"tags": ["v*"]}}  # YAML 1.1 takes `on` for a truth
    bake = (ROOT / "docker" / "docker-bake.hcl").read_text()
    group = re.search(r'group "default" {\n\s+targets = \[(.*?)\]', bake)
    assert group
    built = workflow["jobs"]["build"]["strategy"]["matrix"]["target"]
    assert built == re.findall(r'"(\w+)"', group[1])
    given = "\n".join(f"{step.get('run')} {step.get('env')}" for step in steps(IMAGES))
    for name in ("REGISTRY", "TAG", "VERSION", "REVISION", "SOURCE", "PUSH", "BASE_IMAGE"):
        assert f'variable "{name}"' in bake
        assert re.search(rf"\b{name}\b", given), name


def test_there_are_tests_and_images() -> None:
    assert {path.name for path in WORKFLOWS} >= {"tests.yml", "images.yml"}
    (job,) = read(ROOT / ".github" / "workflows" / "tests.yml")["jobs"].values()
    assert ".ci/run" in job["steps"][-1]["run"]
    assert (ROOT / ".ci" / "run").exists()
