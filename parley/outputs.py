"""Where transcripts go: which files, which of them are there already, and how they are written."""

import hashlib
import json
import os
import re
import secrets
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import unquote, urlsplit

from handlers.formats import FORMATS, Format

if TYPE_CHECKING:
    from handlers.replies import Reply

_LONGEST_NAME: Final = 200  # characters; what a job's `name` may have


class OutputRefused(ValueError):
    """What was asked for cannot be written, or would destroy something; says what to do."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording to transcribe.

    Attributes:
        source: a path or a URL, as it was given.
        name: what its outputs are called, without a suffix.
        folder: where they go.

    """

    source: str
    name: str
    folder: Path

    @property
    def shown(self) -> str:
        """The source without what may be a secret."""
        return shown(self.source)

    @property
    def is_local(self) -> bool:
        """Whether the source is a file of this machine."""
        return not is_url(self.source)

    def output(self, wanted: Format) -> Path:
        """The file of one format."""
        return self.folder / f"{self.name}.{wanted}"


class Store(Protocol):
    """Keeps transcripts."""

    def missing(self, recording: Recording, formats: Sequence[Format]) -> Sequence[Format]:
        """Tell which formats are not there yet.

        Raises:
            OutputRefused: what is there belongs to another recording.

        """

    def keep(self, recording: Recording, texts: Mapping[Format, str]) -> Sequence[str]:
        """Write one text a format; returns where each can be found.

        Raises:
            OSError: it cannot be written.

        """


class Files:
    """Keeps each format in a file that appears when it is whole."""

    def __init__(self, *, overwrite: bool) -> None:
        self._overwrite = overwrite

    def missing(self, recording: Recording, formats: Sequence[Format]) -> Sequence[Format]:
        if self._overwrite:
            return formats
        there = [wanted for wanted in formats if recording.output(wanted).exists()]
        if there and recording.is_local:
            _check_same_recording(recording)
        return [wanted for wanted in formats if wanted not in there]

    def keep(self, recording: Recording, texts: Mapping[Format, str]) -> Sequence[str]:
        written = []
        for wanted, text in texts.items():
            path = recording.output(wanted)
            _write_whole(path, text)
            written.append(str(path))
        return written


class Printed:
    """Keeps nothing: hands every text on."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write

    def missing(self, _recording: Recording, formats: Sequence[Format]) -> Sequence[Format]:
        return formats

    def keep(self, _recording: Recording, texts: Mapping[Format, str]) -> Sequence[str]:
        for text in texts.values():
            self._write(text)
        return ["standard output"]


def plan(sources: Sequence[str], *, folder: Path | None) -> tuple[Recording, ...]:
    """Find out where the outputs of every source go; a source that is given twice is taken once.

    Args:
        sources: paths and URLs.
        folder: where to; None puts outputs beside their recording, those of URLs here.

    Raises:
        OutputRefused: a file is missing, or two recordings would be written to the same files.

    """
    recordings = {_identity(source): _recording(source, folder) for source in sources}
    rivals: defaultdict[Path, list[Recording]] = defaultdict(list)
    for recording in recordings.values():
        # some file systems take two names for one that differ in case alone
        rivals[recording.folder.resolve() / recording.name.casefold()].append(recording)
    for same in rivals.values():
        if len(same) > 1:
            names = " and ".join(recording.shown for recording in same)
            message = (
                f"{names} would both be written to {same[0].output('json').with_suffix('.*')}. "
                "Give them in separate runs with an --output-dir each, or use --beside."
            )
            raise OutputRefused(message)
    _spare_sources(recordings.values())
    return tuple(recordings.values())


def prepare(recordings: Sequence[Recording]) -> None:
    """Make the folders, and see that they can be written to.

    Raises:
        OutputRefused: one cannot.

    """
    for folder in {recording.folder for recording in recordings}:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            message = f"{folder} cannot be made: {error.strerror}. Choose another --output-dir."
            raise OutputRefused(message) from None
        if not os.access(folder, os.W_OK | os.X_OK):
            message = f"{folder} cannot be written to. Choose another --output-dir."
            raise OutputRefused(message)


def rendered(reply: "Reply", wanted: Format) -> str:
    """A reply in one format; `json` is the whole reply, facts and models included."""
    if wanted != "json":
        return reply.formats[wanted]
    body = reply.body()
    del body["formats"]
    return json.dumps(body, indent=2, ensure_ascii=False) + "\n"


def is_url(source: str) -> bool:
    """Whether a source is no path."""
    return source.startswith(("http://", "https://", "data:"))


def shown(source: str) -> str:
    """A source without user, query and fragment, which may hold secrets."""
    if not is_url(source):
        return source
    try:
        url = urlsplit(source)
        port = "" if url.port is None else f":{url.port}"
    except ValueError:
        return "The given address"
    return (
        f"{url.scheme}://{url.hostname}{port}{url.path}" if url.hostname else f"{url.scheme}: URI"
    )


def _spare_sources(recordings: Collection[Recording]) -> None:
    """Refuse what would overwrite a recording, or what a glob took for one."""
    given = {Path(recording.source).resolve() for recording in recordings if recording.is_local}
    for recording in recordings:
        for wanted in FORMATS:
            if recording.output(wanted).resolve() in given:
                message = (
                    f"{recording.output(wanted)} is given as a recording and is an output of "
                    f"{recording.shown}. Leave it out, or choose another --output-dir."
                )
                raise OutputRefused(message)


def _identity(source: str) -> str:
    return source if is_url(source) else str(Path(source).resolve())


def _recording(source: str, folder: Path | None) -> Recording:
    if is_url(source):
        return Recording(source, _name_of_url(source), folder or Path())
    path = Path(source)
    if path.is_dir():
        message = f"{source} is a folder. Name the recordings in it, such as {path / '*.mp3'}."
        raise OutputRefused(message)
    if not path.is_file() or not os.access(path, os.R_OK):
        reason = "cannot be read" if path.exists() else "does not exist"
        message = f"{source} {reason}. Check the path."
        raise OutputRefused(message)
    return Recording(source, path.stem[:_LONGEST_NAME], folder or path.parent)


def _name_of_url(url: str) -> str:
    try:
        path = urlsplit(url).path if not url.startswith("data:") else ""
    except ValueError:
        path = ""
    stem = PurePosixPath(unquote(path)).stem
    name = re.sub(r"[^\w .-]+", "_", stem).strip("._ ")
    return name[:_LONGEST_NAME] or "audio"


def _check_same_recording(recording: Recording) -> None:
    """Refuse outputs whose JSON says that they are of other audio than this file."""
    path = recording.output("json")
    if not path.exists():
        return
    try:
        known = json.loads(path.read_text(encoding="utf-8"))["audio"]["sha256"]
    except (ValueError, KeyError, TypeError):
        message = f"{path} was not written by Parley. Move it away, or choose another --output-dir."
        raise OutputRefused(message) from None
    with Path(recording.source).open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if known != found:
        message = (
            f"{path} is the transcript of another recording. Give --overwrite, or choose another "
            "--output-dir."
        )
        raise OutputRefused(message)


def _write_whole(path: Path, text: str) -> None:
    """Write a file that nobody sees before it is whole, also if the machine stops."""
    part = path.with_name(f".parley-{secrets.token_hex(8)}.part")
    try:
        with part.open("x", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
