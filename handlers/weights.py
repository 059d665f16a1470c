"""Where a model's files are: a local path, the hub's cache on this machine, or the hub."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)

from handlers.errors import ModelAccessDenied, ModelMissing
from handlers.settings import Settings
from handlers.timeline import Model

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Weights:
    """The files of one model: a folder, and what is known of their origin."""

    path: Path
    model: Model


def find_weights(name: str, *, files: Sequence[str], settings: Settings) -> Weights:
    """Find a model's files, and download them where no copy is near.

    Args:
        name: `organisation/name` of a repository, or a local path.
        files: patterns of the files that are needed; the others stay where they are.
        settings: where the cache is, and the token for gated repositories.

    Raises:
        ModelMissing: the files are neither here nor on the hub, or the hub cannot be reached.
        ModelAccessDenied: the hub does not give them to this token.

    """
    local = Path(name).expanduser()
    if local.exists():
        return Weights(local.resolve(), Model(name=local.name, source="local"))
    if name.startswith((".", "/", "~")) or name.count("/") != 1:
        message = (
            f"There is no model at {name!r}. Give a folder, or a repository as organisation/name."
        )
        raise ModelMissing(message)
    cached = _from_cache(name, files=files, settings=settings)
    return cached or _from_hub(name, files=files, settings=settings)


def _from_cache(name: str, *, files: Sequence[str], settings: Settings) -> Weights | None:
    try:
        path = snapshot_download(
            name,
            allow_patterns=list(files),
            cache_dir=settings.hub_cache,
            local_files_only=True,
        )
    except LocalEntryNotFoundError:
        return None
    snapshot = Path(path)
    if any(not any(snapshot.glob(pattern)) for pattern in files):
        return None
    return Weights(snapshot, Model(name=name, revision=snapshot.name, source="cache"))


def _from_hub(name: str, *, files: Sequence[str], settings: Settings) -> Weights:
    token = (settings.hf_token.get_secret_value() if settings.hf_token else "") or None
    _log.info("downloading %s", name)
    try:
        path = snapshot_download(
            name,
            allow_patterns=list(files),
            cache_dir=settings.hub_cache,
            endpoint=settings.hub_endpoint,
            token=token,
        )
    except GatedRepoError as error:
        raise ModelAccessDenied(_gated(name, has_token=token is not None)) from error
    except RepositoryNotFoundError as error:
        message = (
            f"The hub knows no model {name!r}, or hides it from this token. Check the name; for a "
            "private model set HF_TOKEN to a token that may read it."
        )
        raise ModelAccessDenied(message) from error
    except (HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, OSError) as error:
        message = (
            f"The files of {name} are not on this machine and the hub cannot be reached "
            f"({type(error).__name__}). Connect this machine to https://huggingface.co, or put the "
            "repository into the cache that HF_HUB_CACHE names."
            f"{_token_advice(name, has_token=token is not None)}"
        )
        raise ModelMissing(message) from error
    snapshot = Path(path)
    return Weights(snapshot, Model(name=name, revision=snapshot.name, source="hub"))


def _gated(name: str, *, has_token: bool) -> str:
    given = "HF_TOKEN belongs to an account without access" if has_token else "HF_TOKEN is not set"
    return (
        f"The model {name} is gated and {given}. Accept its conditions at "
        f"https://huggingface.co/{name}, make a read token at "
        "https://huggingface.co/settings/tokens, and set HF_TOKEN to it."
    )


def _token_advice(name: str, *, has_token: bool) -> str:
    if has_token or not name.lower().startswith("pyannote/"):
        return ""
    return (
        f" HF_TOKEN is not set either: {name} is gated. Accept its conditions at "
        f"https://huggingface.co/{name}, and make a read token at "
        "https://huggingface.co/settings/tokens."
    )
