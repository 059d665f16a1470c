"""The hub: https://huggingface.co, or the mirror of it that HF_ENDPOINT names."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from handlers.errors import ModelAccessDenied, ModelError, ModelMissing
from handlers.settings import Settings
from handlers.weights.files import File, Manifest, Need
from handlers.weights.transfer import Interrupted

if TYPE_CHECKING:
    from huggingface_hub import ModelInfo
    from huggingface_hub.errors import HfHubHTTPError

_log = logging.getLogger(__name__)

_IDLE_SECONDS: Final = 20.0
_TOKENS: Final = "https://huggingface.co/settings/tokens"


class Hub:
    """Gives what the hub gives, through its own library, which is loaded by the first call."""

    name = "hub"

    def __init__(self, settings: Settings) -> None:
        self._endpoint = settings.hub_endpoint
        self._token = (settings.hf_token.get_secret_value() if settings.hf_token else "") or None

    def manifest(self, need: Need) -> Manifest:
        """Say what the newest revision holds of what is needed.

        Raises:
            ModelAccessDenied: it is gated, private or unknown, or the token is refused.
            ModelMissing: the hub cannot be reached, or the repository has no such files.

        """
        from huggingface_hub import HfApi  # noqa: PLC0415

        _go_online()
        with self._told(need.name):
            api = HfApi(endpoint=self._endpoint, token=self._token or False)
            info = api.model_info(need.name, files_metadata=True, timeout=_IDLE_SECONDS)
            files = _files(info)
        if missing := need.missing([file.path for file in files]):
            message = (
                f"The repository {need.name} on the hub holds no {', '.join(missing)}. Check "
                "that it is the model that is meant."
            )
            raise ModelMissing(message)
        wanted = set(need.wanted(file.path for file in files))
        return Manifest(
            repository=info.id,
            revision=str(info.sha),
            files=tuple(file for file in files if file.path in wanted),
        )

    def read(self, manifest: Manifest, file: File, first: int, last: int) -> bytes:
        """Give some bytes of a file.

        Raises:
            Interrupted: another try may help.
            ModelAccessDenied: the repository is gated, as the hub says first when asked for a file.
            ModelMissing: the hub says no.

        """
        import httpx2  # noqa: PLC0415
        from huggingface_hub import get_session, hf_hub_url  # noqa: PLC0415
        from huggingface_hub.utils._http import hf_raise_for_status  # noqa: PLC0415

        url = hf_hub_url(
            manifest.repository, file.path, revision=manifest.revision, endpoint=self._endpoint
        )
        headers = {"Range": f"bytes={first}-{last - 1}", "Accept-Encoding": "identity"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        _go_online()
        with self._told(manifest.repository):
            try:
                response = get_session().get(url, headers=headers, timeout=_IDLE_SECONDS)
            except httpx2.TransportError as error:
                raise Interrupted(type(error).__name__) from error
            if _may_pass(response.status_code):
                message = f"HTTP {response.status_code}"
                raise Interrupted(message)
            hf_raise_for_status(response)
        data: bytes = response.content
        # a host that knows no ranges sends all of it
        return data[first:last] if response.status_code == HTTPStatus.OK else data

    @contextmanager
    def _told(self, name: str) -> Iterator[None]:
        """Tell the library's errors as ours."""
        import httpx2  # noqa: PLC0415
        from huggingface_hub.errors import (  # noqa: PLC0415
            HfHubHTTPError,
            HFValidationError,
            OfflineModeIsEnabled,
        )

        try:
            yield
        except HfHubHTTPError as error:
            raise self._refused(name, error) from error
        except (httpx2.TransportError, OfflineModeIsEnabled) as error:
            message = (
                f"The files of {name} are not on this machine and the hub cannot be reached "
                f"({type(error).__name__}). Connect this machine to https://huggingface.co, or put "
                f"the repository into the cache that HF_HUB_CACHE names.{self._advice(name)}"
            )
            raise ModelMissing(message) from error
        except HFValidationError as error:
            message = f"{name!r} can be no repository: {error}. Check the name."
            raise ModelMissing(message) from error

    def _refused(self, name: str, error: "HfHubHTTPError") -> ModelError:
        from huggingface_hub.errors import (  # noqa: PLC0415
            DisabledRepoError,
            GatedRepoError,
            RepositoryNotFoundError,
        )

        status = error.response.status_code
        if isinstance(error, GatedRepoError):
            given = "HF_TOKEN belongs to an account without access"
            return ModelAccessDenied(
                f"The model {name} is gated and {given if self._token else 'HF_TOKEN is not set'}. "
                f"Accept its conditions at https://huggingface.co/{name}, make a read token at "
                f"{_TOKENS}, and set HF_TOKEN to it."
            )
        if isinstance(error, DisabledRepoError):
            return ModelAccessDenied(f"The hub has disabled {name}. Choose another model.")
        denied = status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
        if denied and self._token and not isinstance(error, RepositoryNotFoundError):
            return ModelAccessDenied(
                f"The hub refuses {name} (HTTP {status}): HF_TOKEN is wrong, or may not read it. "
                f"Make a read token at {_TOKENS}, set HF_TOKEN to it, and accept the model's "
                f"conditions at https://huggingface.co/{name}."
            )
        if denied or isinstance(error, RepositoryNotFoundError):
            return ModelAccessDenied(
                f"The hub knows no model {name!r}, or hides it from this token. Check the name; "
                "for a private or gated model set HF_TOKEN to a token that may read it: see "
                f"https://huggingface.co/{name}."
            )
        return ModelMissing(f"The hub answers HTTP {status} for {name}. Try again later.")

    def _advice(self, name: str) -> str:
        if self._token or not name.lower().startswith("pyannote/"):
            return ""
        return (
            f" HF_TOKEN is not set either: {name} is gated. Accept its conditions at "
            f"https://huggingface.co/{name}, and make a read token at {_TOKENS}."
        )


def _files(info: "ModelInfo") -> list[File]:
    return [
        File(path=s.rfilename, bytes=s.size or 0, digest=_digest(s))
        for s in info.siblings or ()
        if s.blob_id
    ]


def _digest(sibling: Any) -> str:  # noqa: ANN401
    return str(sibling.lfs.sha256 if sibling.lfs else sibling.blob_id)


def _may_pass(status: int) -> bool:
    return status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS


def _go_online() -> None:
    """Let the library reach the hub, though this process may have been told to stay offline.

    It was told so for the sake of loaders, when another model was found. Whether the operator
    wants that too was asked before the hub was.
    """
    from huggingface_hub import constants  # noqa: PLC0415

    constants.HF_HUB_OFFLINE = False
