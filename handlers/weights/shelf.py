"""A folder in the layout of the hub's cache: `models--org--name/{refs/main,snapshots,blobs}`."""

import logging
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from handlers.weights.files import Need, fault_of
from handlers.weights.pipeline import own_files

_log = logging.getLogger(__name__)

_PREFIX: Final = "models--"
_PREPARED: Final = "prepared"


class NotHere(Exception):
    """A source does not have a repository; the message says why."""


class Unsound(NotHere):
    """A source has a repository, and not whole: somebody should know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The files of one revision, as they lie on disk.

    Attributes:
        path: their folder.
        name: of the repository, in the case of its folder.
        revision: the commit.
        prepared: whether they are what `parley weights prepare` made of it.

    """

    path: Path
    name: str
    revision: str
    prepared: bool = False


def folder_name(repository: str) -> str:
    """The name of a repository's folder in the cache."""
    return _PREFIX + repository.replace("/", "--")


def take(hub: Path, need: Need, *, thorough: bool = False) -> Snapshot:
    """Find what is needed, whole.

    Args:
        hub: the folder to look in.
        need: what is needed.
        thorough: read every file, however large.

    Raises:
        Unsound: files are missing or short, or nobody says which revision counts.
        NotHere: there is no such repository.

    """
    homes = _homes(hub, need.name)
    if not homes:
        message = f"no {need.name} in {hub}"
        raise NotHere(message)
    reasons: list[str] = []
    for home in homes:
        try:
            if prepared := _prepared(home, need):
                return prepared
            snapshot = _snapshot(home)
            check(snapshot, need, thorough=thorough)
        except NotHere as error:
            reasons.append(str(error))
        else:
            return snapshot
    raise Unsound("; ".join(reasons))


def check(snapshot: Snapshot, need: Need, *, thorough: bool = False) -> None:
    """Hold a snapshot against what is needed of it.

    Raises:
        Unsound: files are missing or damaged; the message names the first of them.

    """
    root = snapshot.path
    paths = paths_in(root)
    missing = need.missing(paths)
    if not missing and need.is_pipeline:
        missing = [path for path in own_files(root / "config.yaml") if path not in paths]
    faults = [f"{path} is missing" for path in missing]
    faults += [
        f"{path} {fault}"
        for path in need.wanted(paths)
        if (fault := fault_of(root / path, thorough=thorough))
    ]
    if faults:
        more = f", and {len(faults) - 1} more" if len(faults) > 1 else ""
        message = f"{root}: {faults[0]}{more}"
        raise Unsound(message)


def keep_prepared(hub: Path, snapshot: Snapshot, make: Callable[[Path], object]) -> Path:
    """Let a folder be made beside a repository, and published when it is complete."""
    home = home_of(hub, snapshot.name)
    target = home / _PREPARED / snapshot.revision
    staged = home / _PREPARED / f"{snapshot.revision}.{uuid.uuid4().hex[:8]}"
    staged.parent.mkdir(parents=True, exist_ok=True)
    try:
        make(staged)
        shutil.rmtree(target, ignore_errors=True)
        staged.rename(target)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    if not (home / "refs" / "main").exists():
        write_atomically(home / "refs" / "main", snapshot.revision)
    return target


def paths_in(root: Path) -> list[str]:
    """Every file and link below a folder, in order, by its path from there."""
    found = (
        (Path(folder) / name).relative_to(root).as_posix()
        for folder, _, names in os.walk(root)
        for name in names
    )
    return sorted(found)


def repositories(hub: Path) -> Iterator[str]:
    """The names of all repositories that have a folder here."""
    with_names = sorted(hub.glob(f"{_PREFIX}*--*")) if hub.is_dir() else []
    for home in with_names:
        yield _repository(home)


def faults(hub: Path) -> Iterator[tuple[str, str | None]]:
    """Read every file of every repository, and say what is wrong with which, if anything."""
    for name in repositories(hub):
        home = home_of(hub, name)
        for folder in sorted((home / _PREPARED).glob("*")):
            yield f"{name}, prepared", _prepared_fault(folder)
        if (home / "snapshots").is_dir():
            try:
                take(hub, Need(name=name, files=("*",)), thorough=True)
            except NotHere as error:
                yield name, str(error)
            else:
                yield name, None


def home_of(hub: Path, repository: str) -> Path:
    """The folder of a repository, in whatever case it is there, or where it would be."""
    found = _homes(hub, repository)
    return found[0] if found else hub / folder_name(repository)


def write_atomically(path: Path, text: str) -> None:
    """Write a small file so that nobody sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        new.write_text(text)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def _homes(hub: Path, repository: str) -> list[Path]:
    """The folders that can be meant, the one of the very name first."""
    exact = folder_name(repository)
    try:
        entries = list(hub.iterdir())
    except OSError:
        return []
    alike = [entry for entry in entries if entry.name.lower() == exact.lower()]
    return sorted(alike, key=lambda entry: (entry.name != exact, entry.name))


def _prepared(home: Path, need: Need) -> Snapshot | None:
    """The prepared form of the revision that `refs/main` names, where it is whole."""
    revision = _main(home)
    folder = home / _PREPARED / revision
    if not need.or_prepared or not revision or not folder.is_dir():
        return None
    from handlers.prepared import Damaged, check_sizes  # noqa: PLC0415  few workers need it

    try:
        check_sizes(folder)
    except (Damaged, OSError) as error:  # no manifest: whoever wrote it has not ended
        _log.warning("%s", error)
        return None
    return Snapshot(path=folder, name=_repository(home), revision=revision, prepared=True)


def _prepared_fault(folder: Path) -> str | None:
    from handlers.prepared import Damaged, verify  # noqa: PLC0415

    try:
        verify(folder)
    except (Damaged, OSError) as error:
        return str(error)
    return None


def _main(home: Path) -> str:
    try:
        return (home / "refs" / "main").read_text().strip()
    except OSError:
        return ""


def _snapshot(home: Path) -> Snapshot:
    """The snapshot that `refs/main` names, or else the only one."""
    snapshots = home / "snapshots"
    revision = _main(home)
    if not (revision and (snapshots / revision).is_dir()):
        try:
            names = [entry.name for entry in snapshots.iterdir() if entry.is_dir()]
        except OSError:
            names = []
        if len(names) != 1:
            message = f"{home}: refs/main names no snapshot, and there are {len(names)}"
            raise Unsound(message)
        revision = names[0]
    return Snapshot(path=snapshots / revision, name=_repository(home), revision=revision)


def _repository(home: Path) -> str:
    return home.name.removeprefix(_PREFIX).replace("--", "/", 1)
