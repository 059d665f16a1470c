"""Where a model's files are: a local path, or the first source that has all of them.

`sources.py` is the order, `shelf.py` the layout they share, `volume.py` how many workers fill one.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from handlers.errors import ModelError, ModelMissing
from handlers.settings import Settings
from handlers.timeline import Model
from handlers.weights.files import Need
from handlers.weights.pipeline import Part, assemble, foreign_parts
from handlers.weights.places import Places, stay_offline
from handlers.weights.sources import IN_WORDS, Sources
from handlers.weights.transfer import Watcher, unwatched

__all__ = ["Role", "Weights", "find_weights", "model_of", "needs_of_parts"]

_log = logging.getLogger(__name__)

_CONFIG: Final = "config.yaml"

Role = Literal["transcriber", "diarizer"]

_FILES: Final[Mapping[Role, tuple[str, ...]]] = {
    "transcriber": ("*.nemo",),
    "diarizer": (_CONFIG, "*/*"),
}


@dataclass(frozen=True, slots=True)
class Weights:
    """The files of one model: a folder, and what is known of their origin.

    Attributes:
        path: holds the files.
        model: its name, revision and source.
        parts: of a pipeline, where the repositories came from that are not its own.

    """

    path: Path
    model: Model
    parts: tuple[Model, ...] = ()


def model_of(role: Role, settings: Settings) -> Need:
    """What the published model of a role holds, beside the parts that a pipeline names."""
    names = {"transcriber": settings.transcriber_model, "diarizer": settings.diarizer_model}
    return replace(_need(names[role], _FILES[role]), or_prepared=False)


def needs_of_parts(snapshot: Path) -> list[Need]:
    """What a pipeline needs from other repositories; of any other model, nothing."""
    return [Need(name=p.repository, files=p.files) for p in foreign_parts(snapshot / _CONFIG)]


def _need(name: str, files: Sequence[str]) -> Need:
    """What is needed of a repository; of a pipeline, its configuration says what else."""
    if _CONFIG in files:
        also = tuple(pattern for pattern in files if pattern != _CONFIG)
        return Need(name=name, files=(_CONFIG,), also=also)
    return Need(name=name, files=tuple(files), or_prepared=tuple(files) == _FILES["transcriber"])


def find_weights(
    name: str, *, files: Sequence[str], settings: Settings, watch: Watcher = unwatched
) -> Weights:
    """Find a model's files, and download them where no copy is near.

    A pipeline is found with every repository that its configuration names. Whatever this process
    imports afterwards keeps its own downloads in the same place, and asks the hub nothing.

    Args:
        name: `organisation/name` of a repository, or a local path.
        files: patterns of the files that are needed; the others stay where they are.
        settings: which sources there are, and what opens them.
        watch: is told how far a download is.

    Raises:
        ModelMissing: the files are nowhere, or what has them cannot be reached.
        ModelAccessDenied: the hub does not give them to this token.
        ModelBroken: what there is cannot be used.
        DiskFull: there is no room to keep them.

    """
    began = time.monotonic()
    Places.of(settings).lead_there()
    local = Path(name).expanduser()
    sources = Sources(settings, watch=watch)
    if local.exists():
        found = Weights(local.resolve(), Model(name=local.name, source="local"))
    else:
        if name.startswith((".", "/", "~")) or name.count("/") != 1:
            message = (
                f"There is no model at {name!r}. Give a folder, or a repository as "
                "organisation/name."
            )
            raise ModelMissing(message)
        found = _weights(sources, _need(name, files))
    if _CONFIG in files and found.path.is_dir():
        found = _with_parts(found, sources)
    if found.model.source != "local":
        stay_offline()
    seconds = round(time.monotonic() - began, 3)
    found = replace(found, model=replace(found.model, seconds=seconds))
    _log.info(
        "%s: from %s, revision %s, found in %.3f s",
        found.model.name,
        IN_WORDS.get(found.model.source or "", "a local path"),
        found.model.revision,
        seconds,
    )
    return found


def _weights(sources: Sources, need: Need) -> Weights:
    found = sources.find(need)
    # by the name that was asked for: a cache may have folded its case
    model = Model(name=need.name, revision=found.snapshot.revision, source=found.source)
    return Weights(found.snapshot.path, model)


def _with_parts(pipeline: Weights, sources: Sources) -> Weights:
    """Find what a pipeline needs from other repositories, and make one folder of all."""
    config = pipeline.path / _CONFIG
    parts = foreign_parts(config)
    if not parts:
        return pipeline
    found: dict[Part, Weights] = {}
    errors: dict[Part, ModelError] = {}
    for part in parts:
        try:
            found[part] = _weights(sources, Need(name=part.repository, files=part.files))
        except ModelError as error:
            errors[part] = error
    whole = [pipeline.model, *(weights.model for weights in found.values())]
    _tell_parts(pipeline.model, found, errors)
    if errors:
        raise _incomplete(pipeline.model, whole, errors)
    folder = assemble(config, {part: weights.path for part, weights in found.items()})
    return Weights(folder, pipeline.model, parts=tuple(whole[1:]))


def _tell_parts(
    pipeline: Model, found: Mapping[Part, Weights], errors: Mapping[Part, ModelError]
) -> None:
    """Say which part is where; where only some were near, with a warning."""
    where = {part: weights.model.source or "" for part, weights in found.items()}
    far = {part.role for part, source in where.items() if source in {"mirror", "hub"}}
    cached = pipeline.source not in {"mirror", "hub"}
    level = logging.WARNING if errors or (cached and far) else logging.INFO
    told = [
        f"{part.role} ({part.repository}) from {IN_WORDS[source]}" for part, source in where.items()
    ]
    told += [f"{part.role} ({part.repository}) nowhere" for part in errors]
    _log.log(level, "%s consists of several repositories: %s", pipeline.name, ", ".join(told))


def _incomplete(
    pipeline: Model, whole: Sequence[Model], errors: Mapping[Part, ModelError]
) -> ModelError:
    here = ", ".join(f"{model.name} ({model.source})" for model in whole)
    gone = ", ".join(f"{part.repository} ({part.role})" for part in errors)
    first = next(iter(errors.values()))
    return type(first).said(
        f"The pipeline {pipeline.name} needs several repositories. Found: {here}. Not found: "
        f"{gone}. {first}"
    )
