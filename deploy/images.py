"""Images: what they are called, and how they are built and pushed."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

from deploy.errors import BuildFailed
from deploy.registry import is_loopback

ROOT: Final = Path(__file__).parent.parent
"""The clone."""

_HELD: Final = ("docker", "handlers", "orchestrator", "parley", "pyproject.toml")
"""What images are made of."""
_TAG_LENGTH: Final = 12
_THIN: Final = "thin"
_DOCKER_SECONDS: Final = 30.0
"""For a daemon that may just be starting."""


class Run(Protocol):
    """Runs a command where its output can be seen."""

    def __call__(self, command: Sequence[str], *, environment: Mapping[str, str]) -> int:
        """Give its exit status."""
        ...


def run(command: Sequence[str], *, environment: Mapping[str, str]) -> int:
    """Run a command in the clone, with these variables beside those that there are."""
    done = subprocess.run(  # noqa: S603  commands of this module
        list(command), cwd=ROOT, env={**os.environ, **environment}, check=False
    )
    return done.returncode


def source_tag(root: Path = ROOT) -> str:
    """A tag that is the same exactly as long as what goes into images is.

    It is git's own name for that content, with what is not committed yet, so that a change of
    the documentation replaces no worker.

    Raises:
        BuildFailed: this is no clone, or git is not there.

    """
    held = [name for name in _HELD if (root / name).exists()]
    with tempfile.TemporaryDirectory() as folder:
        index = {**os.environ, "GIT_INDEX_FILE": str(Path(folder) / "index")}
        try:
            _git(["add", "--all", "--", *held], root=root, environment=index)
            return _git(["write-tree"], root=root, environment=index)[:_TAG_LENGTH]
        except (OSError, subprocess.CalledProcessError) as error:
            reason = "git cannot tell what the images would hold, so give IMAGE_TAG"
            raise BuildFailed(command="git write-tree", reason=reason) from error


def target(image: str, variant: str) -> str:
    """What the bake file calls an image of a variant."""
    name = image.removeprefix("parley-")
    return name if variant == _THIN else f"{name}-{variant}"


def tagged(tag: str, variant: str) -> str:
    """A tag, with the variant where it is not the thin one."""
    return tag if variant == _THIN else f"{tag}-{variant}"


def build_and_push(
    images: Sequence[tuple[str, str]],
    *,
    registry: str,
    tag: str,
    run: Run = run,
) -> None:
    """Build images and push them.

    Args:
        images: names and variants.
        registry: where they go; whoever calls is logged in there.
        tag: of all of them.
        run: runs commands.

    Raises:
        BuildFailed: there is nothing to build with, or it failed.

    """
    # PUSH, and not --push, which would replace what the bake file says of compression
    environment = {"REGISTRY": registry, "TAG": tag, "PUSH": "true"}
    for command in _commands(images, registry=registry, tag=tag):
        if run(command, environment=environment) != 0:
            said = " ".join(f"{name}={value}" for name, value in environment.items())
            reason = f"{command[0]} ended with an error"
            raise BuildFailed(command=f"{said} {' '.join(command)}", reason=reason)


def _commands(images: Sequence[tuple[str, str]], *, registry: str, tag: str) -> list[list[str]]:
    targets = [target(image, variant) for image, variant in images]
    bake = ["docker", "buildx", "bake", "--file", "docker/docker-bake.hcl", *targets]
    if _docker_builds():
        return [bake]
    engine = next(filter(shutil.which, ("buildah", "podman")), None)
    if engine is None:
        reason = "there is neither docker, buildah nor podman here. Install one, or give IMAGE_TAG"
        raise BuildFailed(command=" ".join(bake), reason=reason)
    stages = [f"{image.removeprefix('parley-')}:{variant}" for image, variant in images]
    names = [f"{registry}/{image}:{tagged(tag, variant)}" for image, variant in images]
    push = [engine, "push", *(["--tls-verify=false"] if is_loopback(registry) else [])]
    return [["docker/build.sh", *stages], *([*push, name] for name in names)]


def _docker_builds() -> bool:
    """Whether docker is here, with its daemon and the part of it that bakes."""
    if not shutil.which("docker"):
        return False
    try:
        asked = subprocess.run(
            ["docker", "buildx", "inspect"],  # noqa: S607  whichever is first in PATH
            check=False,
            capture_output=True,
            timeout=_DOCKER_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return asked.returncode == 0


def _git(words: Sequence[str], *, root: Path, environment: Mapping[str, str]) -> str:
    done = subprocess.run(  # noqa: S603  git, by its name
        ["git", *words],  # noqa: S607
        cwd=root,
        env=dict(environment),
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()
