"""Whether what came back is what was asked for."""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import aiohttp
from pydantic import ValidationError

from handlers.errors import ParleyError
from handlers.replies import AnyReply, DiarizationReply, Reply, TranscriptionReply
from orchestrator.results import resolve

Kind = Literal["conversation", "transcribe", "diarize", "any"]
"""What an endpoint does; `any` is none of Parley's."""

_REPLIES: Final[Mapping[Kind, type[AnyReply]]] = {
    "conversation": Reply,
    "transcribe": TranscriptionReply,
    "diarize": DiarizationReply,
}
_WORD: Final = re.compile(r"[^\W_]+")
_DEEPEST: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a right answer is.

    Attributes:
        kind: whose reply it is; of `any`, every output is one.
        text: words that it holds, whatever their case and punctuation.

    """

    kind: Kind
    text: str = ""

    @property
    def tells_start(self) -> bool:
        """Whether the first reply of a worker tells of its start."""
        return self.kind != "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An output, and what is wrong with it.

    Attributes:
        output: itself, where the job's output only said where it is.
        wrong: the end of a sentence; None where nothing is wrong.

    """

    output: Any
    wrong: str | None


async def read(
    output: object,
    expected: Expected,
    *,
    session: aiohttp.ClientSession,
    endpoint: str,
    within: float,
) -> Answer:
    """Fetch an output if need be, and check it.

    Args:
        output: of a job that is done.
        expected: what it has to be.
        session: without credentials of its own.
        endpoint: that had the job.
        within: seconds for fetching.

    """
    try:
        found = await resolve(output, session=session, endpoint=endpoint, within=within)
    except ParleyError as error:
        return Answer(output=output, wrong=str(error))
    return Answer(output=found, wrong=problem(found, expected))


def problem(output: object, expected: Expected) -> str | None:
    """Say what is wrong with an output; None where nothing is."""
    if expected.kind == "any":
        words = list(_strings(output))
    else:
        try:
            reply = _REPLIES[expected.kind].model_validate(output)
        except ValidationError as error:
            wrong = dict.fromkeys(str(e["loc"][0]) for e in error.errors() if e["loc"])
            return f"it is no reply of this kind; wrong or missing: {', '.join(wrong) or 'all'}"
        words = _words(reply)
        if not any(words):
            return "it holds no word" if expected.kind != "diarize" else "it holds no turn"
    if not _holds(" ".join(words), expected.text):
        return "it does not hold the words that were expected"
    return None


def _words(reply: AnyReply) -> list[str]:
    if isinstance(reply, Reply):
        return [reply.text]
    if isinstance(reply, TranscriptionReply):
        return [word.text for word in reply.words]
    return [turn.speaker for turn in reply.turns] if isinstance(reply, DiarizationReply) else []


def _holds(text: str, wanted: str) -> bool:
    return f" {_plain(wanted)} " in f" {_plain(text)} " if _plain(wanted) else True


def _plain(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold().replace("'", "").replace("\u2019", "")
    return " ".join(_WORD.findall(folded))


def _strings(value: object, depth: int = 0) -> Iterator[str]:
    """Every text within JSON."""
    if isinstance(value, str):
        yield value
    elif depth < _DEEPEST and isinstance(value, Mapping | list):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _strings(item, depth + 1)
