"""What is wrong with a call to the management API, as RFC 9457 has it."""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final, TypeVar

from aiohttp import web
from pydantic import ValidationError

_T = TypeVar("_T")
_TAGS: Final = frozenset({"QUEUE_DELAY", "REQUEST_COUNT"})
"""Variants of a scaler: pydantic names them in a place, the body does not."""


class Problem(Exception):
    """A call that is refused.

    Args:
        status: of the answer.
        detail: why, for people.
        errors: what is wrong with the body, each with its place.
        headers: of the answer.

    """

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        *,
        errors: Sequence[str] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = headers

    def answer(self) -> web.Response:
        """Tell it as the REST API does."""
        facts: dict[str, Any] = {
            "title": self.status.phrase,
            "status": self.status.value,
            "detail": self.detail,
        }
        if self.errors:
            facts["errors"] = list(self.errors)
        return web.Response(
            text=json.dumps(facts),
            status=self.status,
            content_type="application/problem+json",
            headers=self.headers,
        )


def bad(detail: str) -> Problem:
    return Problem(HTTPStatus.BAD_REQUEST, detail)


def require(detail: str, *, holds: bool) -> None:
    """See that a rule holds.

    Raises:
        Problem: it does not (400).

    """
    if not holds:
        raise bad(detail)


def look_up(known: Mapping[str, _T], key: str, what: str) -> _T:
    """Find something by its id.

    Raises:
        Problem: there is none (404).

    """
    if key not in known:
        raise Problem(HTTPStatus.NOT_FOUND, f"{what} not found")
    return known[key]


def unprocessable(*errors: str) -> Problem:
    detail = "Request validation failed."
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors=errors)


def misshapen(error: ValidationError) -> Problem:
    """Tell what a body has that its schema has not; values are not repeated: some are secret."""
    return unprocessable(*map(_told, error.errors(include_url=False, include_input=False)))


def _told(error: Mapping[str, Any]) -> str:
    place = [part for part in error["loc"] if part not in _TAGS]
    if error["type"] == "extra_forbidden":
        return f"{_path(place[:-1])}: additional properties {place[-1]!r} not allowed"
    if error["type"] == "missing":
        return f"{_path(place[:-1])}: missing property {place[-1]!r}"
    return f"{_path(place)}: {error['msg'].removeprefix('Value error, ')}"


def _path(place: Sequence[str | int]) -> str:
    return "$" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
