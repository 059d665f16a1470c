"""Filling a shelf that many workers share: fetched once, and visible only when it is whole."""

import errno
import logging
import os
import random
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from handlers.errors import DiskFull, ModelBroken, ModelMissing
from handlers.weights.files import File, Manifest, Need, digest_of
from handlers.weights.lease import Lease, LeaseLost, Watch
from handlers.weights.shelf import (
    NotHere,
    Snapshot,
    check,
    folder_name,
    home_of,
    take,
    write_atomically,
)
from handlers.weights.transfer import Corrupted, Interrupted, Transfer, Watcher, unwatched

_log = logging.getLogger(__name__)

_WORK: Final = ".parley"
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_CLOSED: Final = frozenset({errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOTDIR})
_LONGEST_PAUSE: Final = 1.0
_TOLD_SECONDS: Final = 30.0
"""How often a worker that waits for another says so."""


class Origin(Protocol):
    """Where repositories can be fetched from."""

    name: str

    def manifest(self, need: Need) -> Manifest:
        """Say what there is of what is needed. Raises ModelError or NotHere."""

    def read(self, manifest: Manifest, file: File, first: int, last: int) -> bytes:
        """Give some bytes of a file. Raises Interrupted, where another try may help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """A shelf that can be written to.

    Attributes:
        hub: its root, in the layout of the hub's cache.
        lease_seconds: without a sign of life, after which whoever fetches counts as dead.

    """

    hub: Path
    lease_seconds: float
    watch: Watcher = unwatched

    def fill(self, need: Need, origin: Origin) -> tuple[Snapshot, bool]:
        """Fetch what is needed, unless another worker does: then wait for it.

        Returns:
            The snapshot, and whether it was fetched here and now.

        Raises:
            DiskFull: and nothing is left behind.
            ModelError: the origin does not give it.
            NotHere: the origin does not have it.

        """
        work = self.hub / _WORK / folder_name(need.name).lower()
        watch = Watch(work, seconds=self.lease_seconds)
        told = -_TOLD_SECONDS
        while True:
            try:
                return take(self.hub, need), False
            except NotHere:
                pass
            try:
                self.hub.mkdir(parents=True, exist_ok=True)
                if lease := watch.try_take():
                    with lease, _cleaned_when_full(work):
                        return self._filled(need, origin, work=work, lease=lease)
            except LeaseLost:
                _log.warning("another worker has taken over %s", need.name)
            except OSError as error:
                raise self._told(error, need) from error
            finally:
                _remove_where_empty(work)
            if watch.holder and time.monotonic() - told >= _TOLD_SECONDS:
                _log.info("waiting for %s, which fetches %s", watch.holder, need.name)
                told = time.monotonic()
            # all of them at the same moment would ask the volume for the same
            time.sleep(min(_LONGEST_PAUSE, self.lease_seconds / 10) * random.uniform(0.5, 1))

    def _filled(
        self, need: Need, origin: Origin, *, work: Path, lease: Lease
    ) -> tuple[Snapshot, bool]:
        try:  # another may have published it before this lease was taken
            return take(self.hub, need), False
        except NotHere:
            pass
        manifest = origin.manifest(need)
        _log.info("fetching %s (%d bytes) from the %s", need.name, manifest.bytes, origin.name)
        home = home_of(self.hub, manifest.repository)
        transfer = Transfer(folder=work / "blobs", check=lease.check, watch=self.watch)
        self._reserve(manifest, need, home=home, work=work)
        for file in manifest.files:
            if not _is_there(home / "blobs" / file.digest, file):
                _fetch(transfer, origin, manifest, file)
        lease.check()
        snapshot = _publish(manifest, home=home, work=work)
        shutil.rmtree(work / "blobs", ignore_errors=True)
        try:
            check(snapshot, need)
        except NotHere as error:
            message = (
                f"What the {origin.name} gives of {need.name} is not all of it: {error}. Check "
                "that it is the model that is meant."
            )
            raise ModelBroken(message) from error
        return snapshot, True

    def _reserve(self, manifest: Manifest, need: Need, *, home: Path, work: Path) -> None:
        """Raise DiskFull before the first byte, where the volume says that there is no room."""
        blobs = (home / "blobs", work / "blobs")
        missing = [f for f in manifest.files if not any((b / f.digest).exists() for b in blobs)]
        begun = (work / "blobs" / f"{file.digest}.partial" for file in missing)
        here = sum(path.stat().st_blocks * 512 for path in begun if path.exists())
        wanted = sum(file.bytes for file in missing) - here
        free = shutil.disk_usage(self.hub).free
        if wanted > free:
            _log.warning("%s needs %d bytes, %d are free", need.name, wanted, free)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _told(self, error: OSError, need: Need) -> Exception:
        if error.errno in _FULL:
            free = shutil.disk_usage(self.hub).free
            return DiskFull(need.name, path=str(self.hub), free=free)
        if error.errno in _CLOSED:
            return ModelMissing(
                f"{need.name} cannot be kept in {self.hub} ({os.strerror(error.errno)}). Set "
                "MODELS_DIR to a folder that this worker may write to."
            )
        return error


@contextmanager
def _cleaned_when_full(work: Path) -> Iterator[None]:
    """Give back what a fetch took of a disk that is too small for it."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            for name in ("blobs", "repository"):
                shutil.rmtree(work / name, ignore_errors=True)
        raise


def _remove_where_empty(work: Path) -> None:
    for folder in (work, work.parent):
        with suppress(OSError):
            folder.rmdir()


def _fetch(transfer: Transfer, origin: Origin, manifest: Manifest, file: File) -> None:
    """Fetch a file; one that arrives damaged is fetched once more."""

    def read(first: int, last: int) -> bytes:
        return origin.read(manifest, file, first, last)

    try:
        try:
            transfer.fetch(file, read)
        except Corrupted as error:
            _log.warning("%s from the %s; fetching it again", error, origin.name)
            transfer.fetch(file, read)
    except (Corrupted, Interrupted) as error:
        message = (
            f"{file.path} of {manifest.repository} does not come from the {origin.name}: {error}. "
            "Start the worker again later; what came of it is kept."
        )
        raise ModelMissing(message) from error


def _is_there(blob: Path, file: File) -> bool:
    return blob.is_file() and digest_of(blob, like=file.digest) == file.digest


def _publish(manifest: Manifest, *, home: Path, work: Path) -> Snapshot:
    """Let everybody see it, at once: by a rename where the repository is new."""
    staged = work / "repository"
    shutil.rmtree(staged, ignore_errors=True)
    links = staged / "snapshots" / manifest.revision
    for file in manifest.files:
        link = links / file.path
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(Path("../" * (len(Path(file.path).parts) + 1), "blobs", file.digest))
    write_atomically(staged / "refs" / "main", manifest.revision)
    blobs = staged / "blobs"
    blobs.mkdir()
    for digest in {file.digest for file in manifest.files}:
        fetched = work / "blobs" / digest
        if fetched.exists():
            _settle(fetched)
            fetched.rename(blobs / digest)
    try:
        staged.rename(home)
    except OSError as error:
        if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
            raise
        _merge(manifest, staged=staged, home=home)
    path = home / "snapshots" / manifest.revision
    return Snapshot(path=path, name=manifest.repository, revision=manifest.revision)


def _merge(manifest: Manifest, *, staged: Path, home: Path) -> None:
    """Add to a repository that is there: contents, then links to them, then the revision."""
    (home / "blobs").mkdir(parents=True, exist_ok=True)
    for blob in (staged / "blobs").iterdir():
        blob.replace(home / "blobs" / blob.name)
    snapshot = Path("snapshots", manifest.revision)
    # the configuration last: whoever finds it, finds what it names
    for path in sorted((f.path for f in manifest.files), key=lambda p: p == "config.yaml"):
        link = home / snapshot / path
        link.parent.mkdir(parents=True, exist_ok=True)
        (staged / snapshot / path).replace(link)
    write_atomically(home / "refs" / "main", manifest.revision)
    shutil.rmtree(staged, ignore_errors=True)


def _settle(path: Path) -> None:
    """Make sure that a file is on the disk before its name says that it is whole."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
