"""Which command stands for an image on this machine."""

import shlex
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from emulator.manifest import ManifestError

OWN: Final = Path(__file__).with_name("images.toml")
"""The images of this repository."""
VOLUME: Final = "/runpod-volume"
"""Where workers on RunPod find models and volumes."""

_ABSENT: Final = Path(__file__).with_name("absent_image.py")
_ADVICE: Final = "Write it as emulator/management/images.toml."


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """What a worker of an image runs: see images.toml."""

    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_own_files(self) -> bool:
        """Whether it is a container, with a /runpod-volume of its own."""
        return any("{mount}" in word for word in self.command)

    def words(self, image: str, args: str, *, mount: Path, variables: Iterable[str]) -> list[str]:
        """Fill in the command.

        Args:
            image: the whole reference.
            args: what is added to the command, as a shell would read it.
            mount: the folder that stands for /runpod-volume.
            variables: the names of the worker's environment.

        """
        words: list[str] = []
        for word in self.command:
            if word == "{env}":
                words += [part for name in sorted(variables) for part in ("--env", name)]
            else:
                words.append(word.replace("{image}", image).replace("{mount}", str(mount)))
        return words + shlex.split(args)


class Images:
    """The images that can be run here, by the last part of their names."""

    def __init__(self, known: Mapping[str, Image]) -> None:
        self._known = known

    def find(self, reference: str) -> Image:
        """Give what stands for `registry/path/name:tag@digest`.

        Where the name is unknown, it is a process that says so in its log and never asks for a job.
        """
        name = reference.partition("@")[0].rpartition("/")[2].partition(":")[0]
        absent = Image(command=("{python}", "-I", "-S", str(_ABSENT), "{image}"))
        return self._known.get(name, absent)


def read_images(*paths: Path) -> Images:
    """Read tables of images in TOML; the later ones are stronger.

    Raises:
        ManifestError: one cannot be read, or a key or a value in it is wrong.

    """
    known: dict[str, Image] = {}
    for path in paths:
        try:
            tables = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            problem, advice = f"cannot be read: {error.strerror}", "Give the path of a table."
            raise ManifestError(at=str(path), problem=problem, advice=advice) from error
        except ValueError as error:
            problem = f"is not TOML: {error}"
            raise ManifestError(at=str(path), problem=problem, advice=_ADVICE) from error
        known |= {name: _image(table, at=f"{path}: {name}") for name, table in tables.items()}
    return Images(known)


def _image(table: Any, *, at: str) -> Image:  # noqa: ANN401  whatever TOML holds
    is_table = isinstance(table, dict) and table.keys() <= {"command", "environment"}
    command = table.get("command") if is_table else None
    environment = table.get("environment", {}) if is_table else None
    is_right = (
        isinstance(command, list)
        and bool(command)
        and isinstance(environment, dict)
        and all(isinstance(word, str) for word in [*command, *environment.values()])
    )
    if not is_right:
        problem = "is not a table of a command and, perhaps, an environment"
        raise ManifestError(at=at, problem=problem, advice=_ADVICE)
    return Image(command=tuple(command or ()), environment=environment or {})
