"""How images are built and pushed, and what a tag says."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from deploy import images
from deploy.errors import BuildFailed
from deploy.manifest import SHAPES, Shape
from tests.deployments import manifest_of

WANTED = [("parley-single", "baked-diarizer"), ("parley-orchestrator", "thin")]


class Commands:
    """Takes commands instead of running them; the last one fails if that is wished."""

    def __init__(self, *, fails: bool = False) -> None:
        self.fails = fails
        self.run: list[list[str]] = []
        self.environments: list[Mapping[str, str]] = []

    def __call__(self, command: Sequence[str], *, environment: Mapping[str, str]) -> int:
        self.run.append(list(command))
        self.environments.append(environment)
        return int(self.fails)


def tools(folder: Path, *names: str, status: int = 0) -> str:
    """A PATH with these programs and no others."""
    for name in names:
        (folder / name).write_text(f"#!/bin/sh\nexit {status}\n")
        (folder / name).chmod(0o755)
    return str(folder)


def build(commands: Commands) -> None:
    images.build_and_push(WANTED, registry="ghcr.io/me", tag="abc", run=commands)


def test_docker_bakes_all_of_them_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", tools(tmp_path, "docker", "buildah"))
    commands = Commands()
    build(commands)
    (command,) = commands.run
    assert command[-2:] == ["single-baked-diarizer", "orchestrator"]
    assert commands.environments == [{"REGISTRY": "ghcr.io/me", "TAG": "abc", "PUSH": "true"}]


@pytest.mark.parametrize("engine", ["buildah", "podman"])
def test_without_docker_they_are_built_and_then_pushed(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", tools(tmp_path, engine))
    commands = Commands()
    build(commands)
    assert commands.run == [
        ["docker/build.sh", "single:baked-diarizer", "orchestrator:thin"],
        [engine, "push", "ghcr.io/me/parley-single:abc-baked-diarizer"],
        [engine, "push", "ghcr.io/me/parley-orchestrator:abc"],
    ]


def test_docker_without_its_daemon_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools(tmp_path, "buildah")
    monkeypatch.setenv("PATH", tools(tmp_path, "docker", status=1))
    commands = Commands()
    build(commands)
    assert [command[0] for command in commands.run] == ["docker/build.sh", "buildah", "buildah"]


def test_a_registry_of_this_machine_needs_no_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", tools(tmp_path, "buildah"))
    commands = Commands()
    images.build_and_push(WANTED[1:], registry="localhost:5000/me", tag="abc", run=commands)
    name = "localhost:5000/me/parley-orchestrator:abc"
    assert commands.run[-1] == ["buildah", "push", "--tls-verify=false", name]


def test_where_nothing_builds_that_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BuildFailed, match="Install one, or give IMAGE_TAG"):
        build(Commands())


def test_a_build_that_fails_is_told_with_its_command_and_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", tools(tmp_path, "docker"))
    monkeypatch.setenv("HF_TOKEN", "hf_a-secret-token")
    commands = Commands(fails=True)
    with pytest.raises(BuildFailed, match=r"TAG=abc PUSH=true docker buildx bake") as caught:
        build(commands)
    assert "hf_a-secret" not in str(caught.value) + str(commands.run)


def test_a_tag_is_the_same_exactly_as_long_as_the_source_is(tmp_path: Path) -> None:
    images._git(["init", "-q"], root=tmp_path, environment=os.environ)
    (tmp_path / "handlers").mkdir()
    source, other = tmp_path / "handlers" / "a.py", tmp_path / "README.md"
    source.write_text("one")
    first = images.source_tag(tmp_path)
    other.write_text("docs")
    assert images.source_tag(tmp_path) == first
    source.write_text("two")
    assert images.source_tag(tmp_path) != first
    source.write_text("one")
    assert images.source_tag(tmp_path) == first


def test_a_folder_that_is_no_clone_needs_a_tag(tmp_path: Path) -> None:
    (tmp_path / "handlers").mkdir()
    with pytest.raises(BuildFailed, match="give IMAGE_TAG"):
        images.source_tag(tmp_path)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_bake_file_has_what_a_manifest_names(shape: Shape) -> None:
    bake = (images.ROOT / "docker" / "docker-bake.hcl").read_text()
    for table in manifest_of(shape).endpoints:
        assert f'target "{images.target(table.image, table.variant)}"' in bake
        tag = images.tagged("${TAG}", table.variant)
        assert f'"${{REGISTRY}}/{table.image}:{tag}"' in bake
