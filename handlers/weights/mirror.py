"""A bucket of one's own that holds repositories: any S3-compatible host.

`<prefix><organisation>/<name>/manifest.json`, in lower case, names the files; each is an object
beside it, called by its digest. The manifest is written last, so that there is no half a mirror.
"""

import hashlib
import json
import logging
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, Self

from handlers.errors import ModelBroken
from handlers.s3 import Access, Host, Upload
from handlers.settings import Settings, SettingsError
from handlers.weights.files import File, Manifest, Need, digest_of, is_digest
from handlers.weights.shelf import NotHere, Snapshot
from handlers.weights.transfer import PART_BYTES, Interrupted, Watcher, unwatched

_log = logging.getLogger(__name__)

_MANIFEST: Final = "manifest.json"
_GONE: Final = frozenset({"NoSuchKey", "404"})


class Mirror(Host):
    """Repositories in a bucket."""

    name = "mirror"

    def __init__(self, access: Access, *, prefix: str) -> None:
        super().__init__(access)
        self._prefix = prefix

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Give the mirror that the environment names.

        Raises:
            SettingsError: a variable is missing or cannot be.

        """
        if settings.mirror_bucket is None:
            message = "PARLEY_MIRROR_BUCKET is not set"
            raise SettingsError(message)
        try:
            access = Access.from_settings(settings, name=settings.mirror_bucket)
        except SettingsError as error:
            message = str(error).replace("PARLEY_BUCKET_NAME", "PARLEY_MIRROR_BUCKET")
            raise SettingsError(message) from None
        return cls(access, prefix=settings.mirror_prefix)

    def manifest(self, need: Need) -> Manifest:
        """Say what the mirror holds of what is needed.

        Raises:
            NotHere: it has no such repository, or not all of those files.
            StorageError: the bucket refuses, or cannot be reached.
            ModelBroken: its manifest cannot be read.

        """
        manifest = self._manifest(need.name)
        paths = [file.path for file in manifest.files]
        if missing := need.missing(paths):
            message = f"the mirror's {need.name} has no {', '.join(missing)}"
            raise NotHere(message)
        wanted = set(need.wanted(paths))
        return Manifest(
            repository=manifest.repository,
            revision=manifest.revision,
            files=tuple(file for file in manifest.files if file.path in wanted),
        )

    def read(self, manifest: Manifest, file: File, first: int, last: int) -> bytes:
        """Give some bytes of a file.

        Raises:
            Interrupted: another try may help.
            StorageError: the bucket refuses.

        """
        import botocore.exceptions as theirs  # noqa: PLC0415

        key = self._key(manifest.repository, file.digest)
        try:
            return self._get(key, Range=f"bytes={first}-{last - 1}")
        except (theirs.ConnectionError, theirs.HTTPClientError, theirs.IncompleteReadError) as e:
            raise Interrupted(type(e).__name__) from e
        except theirs.ClientError as error:
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                message = f"HTTP {status}"
                raise Interrupted(message) from error
            with self._told():
                raise

    def push(self, snapshot: Snapshot, paths: list[str], *, watch: Watcher = unwatched) -> Manifest:
        """Store files of a snapshot; those that are there already are left as they are.

        Raises:
            StorageError: the bucket refuses, or cannot be reached.
            ModelBroken: a file is not what its name in the cache says.

        """
        files = tuple(_measured(snapshot.path / path, path=path) for path in paths)
        manifest = Manifest(repository=snapshot.name, revision=snapshot.revision, files=files)
        for file in files:
            key = self._key(snapshot.name, file.digest)
            if self._size(key) != file.bytes:
                source = (snapshot.path / file.path).resolve()
                self.send(Upload(source, key=key, content_type="application/octet-stream"))
            watch(file, file.bytes)
        body = json.dumps(asdict(manifest) | {"part_bytes": PART_BYTES}, indent=1).encode()
        key = self._key(snapshot.name, _MANIFEST)
        self.send(Upload(body, key=key, content_type="application/json"))
        return manifest

    def _manifest(self, name: str) -> Manifest:
        import botocore.exceptions as theirs  # noqa: PLC0415

        with self._told():
            try:
                body = self._get(self._key(name, _MANIFEST))
            except theirs.ClientError as error:
                if error.response.get("Error", {}).get("Code") not in _GONE:
                    raise
                message = f"the mirror has no {name}"
                raise NotHere(message) from None
        try:
            return _read(json.loads(body))
        except (ValueError, KeyError, TypeError) as error:
            message = (
                f"The mirror's manifest of {name} cannot be read ({type(error).__name__}). Push "
                "the model again: parley weights push."
            )
            raise ModelBroken(message) from error

    def _get(self, key: str, **options: str) -> bytes:
        client, _ = self._open()
        answer = client.get_object(Bucket=self._access.name, Key=key, **options)
        with closing(answer["Body"]) as body:
            return bytes(body.read())

    def _size(self, key: str) -> int | None:
        import botocore.exceptions as theirs  # noqa: PLC0415

        client, _ = self._open()
        with self._told():
            try:
                return int(client.head_object(Bucket=self._access.name, Key=key)["ContentLength"])
            except theirs.ClientError as error:
                if error.response.get("Error", {}).get("Code") not in _GONE:
                    raise
                return None

    def _key(self, repository: str, name: str) -> str:
        return f"{self._prefix}{repository.lower()}/{name}"


def _read(body: Mapping[str, Any]) -> Manifest:
    parted = body["part_bytes"] == PART_BYTES
    return Manifest(
        repository=str(body["repository"]),
        revision=str(body["revision"]),
        files=tuple(
            File(
                path=_inside(str(file["path"])),
                bytes=int(file["bytes"]),
                digest=_named(str(file["digest"])),
                parts=tuple(file["parts"]) if parted else (),
            )
            for file in body["files"]
        ),
    )


def _inside(path: str) -> str:
    """Let no manifest name a file outside its repository."""
    if not path or path.startswith("/") or ".." in path.split("/"):
        raise ValueError(path)
    return path


def _named(digest: str) -> str:
    if not is_digest(digest):
        raise ValueError(digest)
    return digest


def _measured(source: Path, *, path: str) -> File:
    """A file with the digests of all of it and of its parts, in one reading."""
    blob = source.resolve()
    whole = hashlib.sha256()
    parts: list[str] = []
    with blob.open("rb") as file:
        while part := file.read(PART_BYTES):
            whole.update(part)
            parts.append(hashlib.sha256(part).hexdigest())
        size = file.tell()
    digest = whole.hexdigest()
    if (
        is_digest(blob.name)
        and blob.name != digest
        and digest_of(blob, like=blob.name) != blob.name
    ):
        message = f"{source} is damaged. Remove it and fetch it again."
        raise ModelBroken(message)
    return File(path=path, bytes=size, digest=digest, parts=tuple(parts))
