"""Request bodies: JSON objects up to a size, whatever type they are declared to have."""

import json
from typing import Any

from aiohttp import web

from emulator.jobs import BadRequest


class BodyTooLarge(Exception):
    """There are more bytes than may be."""


async def read_object(request: web.Request, *, most: int) -> dict[str, Any]:
    """Read a JSON object of up to `most` bytes.

    Raises:
        BodyTooLarge: there are more.
        BadRequest: they are no JSON object.

    """
    whole = bytearray()
    async for part in request.content.iter_any():
        if len(whole) <= most:  # what is too much is read all the same, or the sender fails
            whole += part
    if len(whole) > most:
        message = f"The body is larger than {most} bytes."
        raise BodyTooLarge(message)
    try:
        body = json.loads(whole)
    except ValueError:
        message = "The body is not JSON."
        raise BadRequest(message) from None
    if not isinstance(body, dict):
        message = "The body is not an object."
        raise BadRequest(message)
    return body
