"""Takes a log's text apart: its lines, and the three values of each row."""

import csv
import itertools
import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TextIO

from planner.errors import LogColumnsUnknown, LogUnreadable
from planner.traffic.log_columns import Columns, Unclear

_LINE: Final = 2**20
"""Characters of a line."""
_HEAD: Final = 4096
_DELIMITERS: Final = ",;\t|"
_KINDS: Final = 1000
"""Sets of keys that are remembered."""
_TOO_LONG: Final = f"it is longer than {_LINE:,} characters"


@dataclass(frozen=True, slots=True)
class Row:
    """What a row says, as it stands there.

    Attributes:
        line: where it begins; the first is 1.
        time: None where it is missing, as the others.
        audio: of the request.
        user: of the request.
        problem: why it is no row, as the end of a sentence; None where it is one.

    """

    line: int
    time: object = None
    audio: object = None
    user: object = None
    problem: str | None = None


def rows(path: Path, columns: Columns) -> Generator[Row, None, None]:
    """Give the rows of a log, bad ones too; empty lines are none.

    Raises:
        OSError: it cannot be opened or read.
        LogUnreadable: it is no text.
        LogColumnsUnknown: its columns cannot be made out.

    """
    _check_text(path)
    # what is not UTF-8 stays visible, so that its line can be named
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        start = file.read(_HEAD).lstrip()
        file.seek(0)
        if start.startswith("["):
            reason = "is one JSON list"
            advice = "Write an object a line, for instance with jq -c '.[]'."
            raise LogUnreadable(str(path), reason=reason, advice=advice)
        lines = _Lines(file)
        read = _objects if start.startswith("{") else _table
        yield from read(lines, columns, str(path))


def _check_text(path: Path) -> None:
    if path.exists() and not path.is_file():  # it is read twice
        reason, advice = "is no file", "Give the path of a log, CSV or JSON lines."
        raise LogUnreadable(str(path), reason=reason, advice=advice)
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        reason, advice = "is UTF-16", "Save it as UTF-8."
    elif head[:2] == b"\x1f\x8b" or head[:4] == b"PK\x03\x04":
        reason, advice = "is compressed", "Unpack it first."
    elif b"\0" in head:
        reason, advice = "is no text", "Give CSV or JSON lines, in UTF-8."
    else:
        return
    raise LogUnreadable(str(path), reason=reason, advice=advice)


class _LineTooLong(Exception):
    """A line is longer than anybody writes; the next one can be asked for."""


class _Lines:
    """The lines of a file, each of bounded length; `number` is of the last one given."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._file.readline(_LINE)
        if not line:
            raise StopIteration
        self.number += 1
        if len(line) == _LINE and line[-1] not in "\r\n":
            while (rest := self._file.readline(_LINE)) and rest[-1] not in "\r\n":
                pass
            raise _LineTooLong
        return line


def _table(lines: _Lines, columns: Columns, file: str) -> Iterator[Row]:
    try:
        first = next((line for line in lines if line.strip()), None)
        if first is None:
            return
        delimiter = max(_DELIMITERS, key=first.count)
        # strict: else a quote that nobody closes swallows the rest without a word
        table = csv.reader(itertools.chain([first], lines), delimiter=delimiter, strict=True)
        header = [name.strip() for name in next(table)]
        places = columns.places(header)
    except (csv.Error, _LineTooLong) as error:
        reason = f"its first line is no header ({error or 'it is too long'})"
        advice = "Write the names of the columns into the first line: time,audio_seconds,user."
        raise LogColumnsUnknown(file, reason=reason, advice=advice) from None
    except Unclear as error:
        raise LogColumnsUnknown(file, reason=str(error), advice=error.advice) from None
    yield from _table_rows(table, lines, header, places)


def _table_rows(
    table: Iterator[list[str]],
    lines: _Lines,
    header: Sequence[str],
    places: tuple[int | None, ...],
) -> Iterator[Row]:
    width = len(header)
    while True:
        begins = lines.number + 1
        try:
            cells = next(table)
        except StopIteration:
            return
        except _LineTooLong:
            yield Row(begins, problem=_TOO_LONG)
            continue
        except csv.Error as error:
            swallowed = f", up to line {lines.number}" if lines.number > begins else ""
            yield Row(begins, problem=f"its quotes are not in order{swallowed} ({error})")
            continue
        if not cells:
            continue
        if len(cells) != width:
            yield Row(begins, problem=f"it has {len(cells)} fields, and the header {width}")
        elif [cell.strip() for cell in cells] == header:
            yield Row(begins, problem="it is the header again")
        else:
            yield _row(begins, *(None if place is None else cells[place] for place in places))


def _objects(lines: _Lines, columns: Columns, _file: str) -> Iterator[Row]:
    known: dict[tuple[str, ...], tuple[str | None, ...]] = {}
    while True:
        try:
            line = next(lines)
            if not line.strip():
                continue
            said = _object(line)
            keys = tuple(said)
            if keys not in known:
                if len(known) >= _KINDS:
                    known.clear()
                known[keys] = columns.of(keys)
            yield _row(lines.number, *(_reached(said, name) for name in known[keys]))
        except StopIteration:
            return
        except _LineTooLong:
            yield Row(lines.number, problem=_TOO_LONG)
        except Unclear as error:
            yield Row(lines.number, problem=str(error))


def _object(line: str) -> dict[str, Any]:
    try:
        said = json.loads(line, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        reason = "it is no JSON"
        raise Unclear(reason) from None
    if not isinstance(said, dict):
        reason = "it is no JSON object"
        raise Unclear(reason)
    return said


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        reason = "it names a key twice"
        raise Unclear(reason)
    return found


def _reached(said: Mapping[str, Any], name: str | None) -> object:
    """The value of a key, or of one within: `output.usage.audio_seconds`."""
    if name is None or name in said:
        return said[name] if name is not None else None
    here: Any = said
    for part in name.split("."):
        if not isinstance(here, Mapping):
            return None
        here = here.get(part)
    return here


def _row(line: int, *values: object) -> Row:
    """A row of time, audio and user."""
    for value in values:
        if isinstance(value, str) and not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                return Row(line, problem="it is not UTF-8")
    time, audio, user = values
    return Row(line, time, audio, user)
