"""Reads a manifest, a TOML file; what is wrong is told with file, key and what is allowed."""

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from deploy.errors import ManifestInvalid
from deploy.manifest import (
    CpuTable,
    EndpointTable,
    GpuTable,
    Manifest,
    Model,
    ScalingTable,
    Table,
    VolumeTable,
    WarmTable,
    WorkersTable,
)

FOLDER: Final = Path(__file__).parent / "manifests"
"""The manifests of this repository: single.toml, split.toml, orch.toml."""


def read_manifest(path: Path) -> Manifest:
    """Read a manifest.

    Raises:
        ManifestInvalid: it cannot be used; the message names every key that is wrong.

    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ManifestInvalid(str(path), [f"it cannot be read: {error.strerror}"]) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ManifestInvalid(str(path), [f"it is no TOML: {error}"]) from None
    return parse_manifest(values, file=str(path))


def parse_manifest(values: Mapping[str, Any], *, file: str) -> Manifest:
    """Read what a manifest's file holds.

    Raises:
        ManifestInvalid: it cannot be used.

    """
    try:
        return Manifest.model_validate(values)
    except ValidationError as error:
        found = error.errors(include_url=False)
        raise ManifestInvalid(file, [_told(detail, values) for detail in found]) from None


def _told(detail: Any, values: Mapping[str, Any]) -> str:  # noqa: ANN401  pydantic's own shape
    """One problem: the key, what is wrong with it, what is allowed."""
    path: Sequence[str | int] = detail["loc"]
    key = _key(path, values)
    if detail["type"] == "extra_forbidden":
        known = _known(path[:-1])
        near = difflib.get_close_matches(str(path[-1]), known, n=1)
        meant = f"did you mean {near[0]}?" if near else f"there are: {', '.join(known)}"
        return f"{key}: is no key; {meant}"
    if detail["type"] == "missing":
        return f"{key}: is missing"
    message = str(detail["msg"]).removeprefix("Value error, ").removeprefix("Input ")
    shown = detail.get("input")
    told = f" and is {shown!r}" if isinstance(shown, str | int | float) else ""
    return f"{key}: {message}{told}" if key else message


def _key(path: Sequence[str | int], values: Mapping[str, Any]) -> str:
    """A path as a reader writes it; endpoints are called by their names."""
    text, here = "", values
    for part in path:
        here = _below(here, part)
        if isinstance(part, int):
            name = here.get("name") if isinstance(here, Mapping) else None
            text += f"[{name}]" if isinstance(name, str) else f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


def _below(here: Any, part: str | int) -> Any:  # noqa: ANN401  whatever the file holds
    if isinstance(here, Mapping):
        return here.get(part)
    if isinstance(here, Sequence) and isinstance(part, int) and part < len(here):
        return here[part]
    return None


_TABLES: Final[Mapping[str, type[Table]]] = {
    "": Manifest,
    "endpoints": EndpointTable,
    "models": Model,
    "gpu": GpuTable,
    "cpu": CpuTable,
    "scaling": ScalingTable,
    "workers": WorkersTable,
    "warm": WarmTable,
    "volume": VolumeTable,
}


def _known(path: Sequence[str | int]) -> list[str]:
    """The keys of the table at a path."""
    names = [part for part in path if isinstance(part, str)]
    return list(_TABLES[names[-1] if names else ""].model_fields)
