"""Where a repository may be, in the order in which it is looked for."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, get_args

from handlers.errors import DiskFull, ModelAccessDenied, ModelError, ModelMissing, StorageError
from handlers.settings import Settings, SettingsError, WeightsSource
from handlers.weights.files import Need
from handlers.weights.hub import Hub
from handlers.weights.image import Image
from handlers.weights.mirror import Mirror
from handlers.weights.places import Places
from handlers.weights.shelf import NotHere, Snapshot, Unsound, take
from handlers.weights.transfer import Watcher, unwatched
from handlers.weights.volume import Origin, Volume

_log = logging.getLogger(__name__)

ORDER: Final[tuple[WeightsSource, ...]] = get_args(WeightsSource)
IN_WORDS: Final[Mapping[str, str]] = {
    "store": "the Model Store",
    "volume": "the volume",
    "image": "the image",
    "mirror": "the mirror",
    "hub": "the hub",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A repository, and which source had it."""

    snapshot: Snapshot
    source: WeightsSource


class Sources:
    """Looks for repositories: Model Store, volume, image, mirror, hub; the near ones first.

    Args:
        settings: which of them may be used, and where they are.
        watch: is told how far a download is.

    """

    def __init__(self, settings: Settings, *, watch: Watcher = unwatched) -> None:
        self._settings = settings
        self._volume = Volume(
            hub=Places.of(settings).hub, lease_seconds=settings.lease_seconds, watch=watch
        )
        self._finders: Mapping[WeightsSource, Callable[[Need], Found]] = {
            "store": self._in_store,
            "volume": self._on_volume,
            "image": self._in_image,
            "mirror": self._from_mirror,
            "hub": self._from_hub,
        }

    @property
    def enabled(self) -> tuple[WeightsSource, ...]:
        """The sources that may be used, in order."""
        return tuple(source for source in ORDER if source in self._settings.weights_from)

    @property
    def keeps(self) -> Path:
        """Where downloads are kept, in the layout of the hub's cache."""
        return self._volume.hub

    @property
    def folders(self) -> Mapping[WeightsSource, Path]:
        """Those of the enabled sources that are folders in the layout of the hub's cache."""
        settings = self._settings
        all_folders: dict[WeightsSource, Path] = {
            "store": settings.model_store,
            "volume": self._volume.hub,
            "image": settings.image_models,
        }
        return {s: folder for s, folder in all_folders.items() if s in self.enabled}

    def find(self, need: Need) -> Found:
        """Find a repository in the first source that has all of what is needed.

        Raises:
            DiskFull: there is no room to keep it.
            ModelError: no source has it; the message is of the one that is asked last.

        """
        said: dict[WeightsSource, Exception] = {}
        for source in self.enabled:
            try:
                return self._finders[source](need)
            except DiskFull:
                raise
            except (Unsound, ModelError, StorageError, SettingsError) as error:
                _log.warning("%s is not taken from %s: %s", need.name, IN_WORDS[source], error)
                said[source] = error
            except NotHere as error:
                _log.debug("%s: %s", source, error)
                said[source] = error
        raise _nowhere(need, said)

    def _in_store(self, need: Need) -> Found:
        return Found(snapshot=take(self._settings.model_store, need), source="store")

    def _on_volume(self, need: Need) -> Found:
        return Found(snapshot=take(self._volume.hub, need), source="volume")

    def _in_image(self, need: Need) -> Found:
        image = self._settings.image_models
        snapshot = take(image, need)
        if self._settings.image_seeds and "volume" in self._settings.weights_from:
            try:
                return self._kept(need, Image(image), source="image")
            except ModelError as error:
                _log.warning("the image's %s is used in place: %s", need.name, error)
        return Found(snapshot=snapshot, source="image")

    def _from_mirror(self, need: Need) -> Found:
        if self._settings.mirror_bucket is None:
            message = "PARLEY_MIRROR_BUCKET is not set"
            raise NotHere(message)
        return self._kept(need, Mirror.from_settings(self._settings), source="mirror")

    def _from_hub(self, need: Need) -> Found:
        if self._settings.hub_offline:
            message = "HF_HUB_OFFLINE is set"
            raise NotHere(message)
        return self._kept(need, Hub(self._settings), source="hub")

    def _kept(self, need: Need, origin: Origin, *, source: WeightsSource) -> Found:
        snapshot, fetched = self._volume.fill(need, origin)
        return Found(snapshot=snapshot, source=source if fetched else "volume")


def _nowhere(need: Need, said: Mapping[WeightsSource, Exception]) -> ModelError:
    """One error of all that was said: a refusal counts most, then what was asked last."""
    told = {source: error for source, error in said.items() if isinstance(error, ModelError)}
    refused = [source for source, error in told.items() if isinstance(error, ModelAccessDenied)]
    chosen = (*refused, *reversed(told), None)[0]
    rest = "; ".join(f"{IN_WORDS[s]}: {e}".rstrip(".") for s, e in said.items() if s != chosen)
    off = [source for source in ORDER if source not in said]
    switched = f" PARLEY_WEIGHTS_FROM switches off: {', '.join(off)}." if off else ""
    if chosen:
        elsewhere = f" Nor is it elsewhere: {rest}." if rest else ""
        return type(told[chosen]).said(f"{told[chosen]}{elsewhere}{switched}")
    return ModelMissing(
        f"The files of {need.name} are nowhere: {rest or 'no source is switched on'}.{switched} "
        "Let the worker reach the hub, or put the repository where HF_HUB_CACHE leads."
    )
