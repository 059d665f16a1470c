"""What a diarization pipeline consists of: its `config.yaml` names models in other repositories.

pyannote.audio 4 reads each model from a folder, if it is told one. Where all are in the pipeline's
own repository (`$model/segmentation`, as in community-1), the snapshot is loaded as it is. Where
some are elsewhere (3.1), a folder of links makes one pipeline of them, in the same layout.
"""

import atexit
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

import yaml  # type: ignore[import-untyped]

_MODEL: Final = ("pytorch_model.bin",)
_FILES: Final = {
    "segmentation": _MODEL,
    "embedding": _MODEL,
    "plda": ("plda.npz", "xvec_transform.npz"),
}
_OWN: Final = "$model/"
_DIARIZATION: Final = "SpeakerDiarization"
_DEFAULT: Final = ("pyannote/speaker-diarization-community-1", "plda")
"""Where pyannote.audio 4 takes the PLDA from when a configuration names none, as that of 3.1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A model of a pipeline that is in a repository of its own.

    Attributes:
        role: `segmentation`, `embedding` or `plda`.
        repository: `organisation/name`.
        folder: inside the repository; empty for its root.

    """

    role: str
    repository: str
    folder: str = ""

    @property
    def files(self) -> tuple[str, ...]:
        """Paths inside the repository."""
        return tuple(str(PurePosixPath(self.folder, name)) for name in _FILES[self.role])


def own_files(config: Path) -> list[str]:
    """The files that a pipeline needs from its own repository, beside its configuration."""
    models = _models(_read(config))
    return [
        str(PurePosixPath(model.removeprefix(_OWN), name))
        for role, model in models.items()
        if isinstance(model, str) and model.startswith(_OWN) and "@" not in model
        for name in _FILES[role]
    ]


def foreign_parts(config: Path) -> list[Part]:
    """The models that a pipeline needs from other repositories."""
    read = _read(config)
    parts = []
    for role, model in _models(read).items():
        given = {"checkpoint": model} if isinstance(model, str) else model
        match given:
            case {"checkpoint": str(name), **rest} if _is_repository(name):
                folder = str(rest.get("subfolder") or "")
                parts.append(Part(role=role, repository=name, folder=folder))
    return parts


def assemble(config: Path, parts: Mapping[Part, Path]) -> Path:
    """Make one folder of a pipeline, whose parts are where the mapping says.

    It lasts as long as this process, and holds links alone.
    """
    root = Path(tempfile.mkdtemp(prefix="parley-pipeline-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    read = _read(config)
    params = read["pipeline"].setdefault("params", {})
    for model in _models(read).values():
        if isinstance(model, str) and model.startswith(_OWN):
            folder = model.removeprefix(_OWN)
            (root / folder).symlink_to((config.parent / folder).resolve())
    for part, snapshot in parts.items():
        (root / part.role).symlink_to((snapshot / part.folder).resolve())
        params[part.role] = f"{_OWN}{part.role}"
    (root / "config.yaml").write_text(yaml.safe_dump(read))
    return root


def _models(config: Mapping[str, Any]) -> dict[str, object]:
    pipeline = config.get("pipeline")
    if not isinstance(pipeline, Mapping):
        return {}
    params = pipeline.get("params") or {}
    models = {role: params[role] for role in _FILES if role in params}
    if str(pipeline.get("name", "")).endswith(f".{_DIARIZATION}"):
        repository, folder = _DEFAULT
        models.setdefault("plda", {"checkpoint": repository, "subfolder": folder})
    return models


def _read(config: Path) -> dict[str, Any]:
    """A configuration that cannot be read names nothing: whoever loads it says what is wrong."""
    try:
        read = yaml.safe_load(config.read_text())
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return read if isinstance(read, dict) else {}


def _is_repository(model: str) -> bool:
    return model.count("/") == 1 and not model.startswith((".", "/", "~", "$")) and "@" not in model
