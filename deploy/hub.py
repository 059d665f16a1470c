"""Whether the hub gives a gated model to a token, before a worker has to find out.

The question is the one of `huggingface_hub.auth_check`: `/api/models/<name>/auth-check`.
"""

from http import HTTPStatus
from typing import Final

import aiohttp

HUB: Final = "https://huggingface.co"

_REFUSED: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})
_TIMEOUT: Final = aiohttp.ClientTimeout(total=30)


async def gives(
    repository: str, *, token: str, session: aiohttp.ClientSession, hub: str = HUB
) -> bool | None:
    """Whether a token may read a model; None where the hub does not say."""
    try:
        async with session.get(
            f"{hub.rstrip('/')}/api/models/{repository}/auth-check",
            headers={"Authorization": f"Bearer {token}", "User-Agent": "parley"},
            timeout=_TIMEOUT,
            allow_redirects=False,  # the token would go with it
        ) as response:
            status = response.status
    except (aiohttp.ClientError, TimeoutError):
        return None
    if status == HTTPStatus.OK:
        return True
    return False if status in _REFUSED else None
