"""Files of this machine under URLs, for jobs to fetch."""

import secrets
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

from aiohttp import web


class Files:
    """GET and HEAD, whole or in ranges, for whoever knows a file's key."""

    def __init__(self) -> None:
        self._paths: dict[str, Path] = {}

    def share(self, path: Path) -> str:
        """Serve a file; the result is the path of its URL."""
        key = secrets.token_urlsafe(16)
        self._paths[key] = path
        return f"/files/{key}/{quote(path.name)}"

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        return [web.get("/files/{key}/{name}", self._file)]

    async def _file(self, request: web.Request) -> web.StreamResponse:
        path = self._paths.get(request.match_info["key"])
        if path is None:
            raise web.HTTPNotFound
        return web.FileResponse(path)
