"""Only for programs of this machine: no site's page may reach the platform through a browser."""

import re
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

_NAMES: Final = frozenset({"127.0.0.1", "localhost", "[::1]"})


@web.middleware
async def loopback_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse what another site's page makes a browser send.

    `Host` betrays a site whose owner lets its name lead to this machine, `Origin` all the others.
    """
    host = request.headers.get("Host", "")
    if re.sub(r":\d+$", "", host) not in _NAMES:
        raise web.HTTPForbidden(text="Only 127.0.0.1 and localhost are known here.")
    if request.headers.get("Origin", f"http://{host}") != f"http://{host}":
        raise web.HTTPForbidden(text="Requests from other sites are refused.")
    return await handler(request)
