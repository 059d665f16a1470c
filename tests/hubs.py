"""A hub on loopback, which speaks the few routes that downloads need, and misbehaves on demand."""

import hashlib
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

REVISION = "5" * 40
_LARGE = 1000
"""What is longer is kept in large file storage, and known by its sha256."""


@dataclass
class LocalHub:
    """What the hub holds, how it behaves, and what it was asked for.

    Attributes:
        repositories: name -> path -> content.
        gated: repositories whose files are refused, though their listing is not.
        status: answered to everything, where it is set, with `headers`.
        pause: seconds before each answer with content.
        damage: how many answers with content come with a bit turned over.
        cut: how many answers with content break off in the middle.
        asked: how often each `name/path`, or `name` for its listing, was asked for.

    """

    url: str = ""
    repositories: dict[str, dict[str, bytes]] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    pause: float = 0.0
    damage: int = 0
    cut: int = 0
    asked: Counter[str] = field(default_factory=Counter)
    sent: int = 0
    tokens: set[str | None] = field(default_factory=set)

    def listing(self, name: str) -> dict[str, Any]:
        files = self.repositories[name]
        return {
            "id": name,
            "modelId": name,
            "sha": REVISION,
            "siblings": [_sibling(path, content) for path, content in files.items()],
        }


def _sibling(path: str, content: bytes) -> dict[str, Any]:
    git = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
    entry: dict[str, Any] = {"rfilename": path, "size": len(content), "blobId": git}
    if len(content) > _LARGE:
        digest = hashlib.sha256(content).hexdigest()
        entry["lfs"] = {"size": len(content), "sha256": digest, "pointerSize": 130}
    return entry


@contextmanager
def local_hub(  # noqa: C901  one class in one place
    kind: type[LocalHub] = LocalHub, **behaviour: Any
) -> Iterator[LocalHub]:
    hub = kind(**behaviour)
    lock = threading.Lock()

    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            hub.tokens.add(self.headers.get("Authorization"))
            if hub.status is not None:
                self._say(hub.status, headers=hub.headers)
                return
            if listed := re.fullmatch(r"/api/models/([^/]+/[^/?]+)(\?.*)?", self.path):
                self._list(listed[1])
            elif asked := re.fullmatch(r"/([^/]+/[^/]+)/resolve/[^/]+/(.+)", self.path):
                self._give(asked[1], asked[2])
            else:
                self._say(404)

        def _list(self, name: str) -> None:
            with lock:
                hub.asked[name] += 1
            if name not in hub.repositories:
                self._say(401 if not hub.tokens - {None} else 404, {"X-Error-Code": "RepoNotFound"})
                return
            body = json.dumps(hub.listing(name)).encode()
            self._say(200, {"Content-Type": "application/json"}, body)

        def _give(self, name: str, path: str) -> None:
            with lock:
                hub.asked[f"{name}/{path}"] += 1
            if name in hub.gated:
                self._say(403, {"X-Error-Code": "GatedRepo"})
                return
            content = hub.repositories[name][path]
            first, last = 0, len(content) - 1
            if wanted := re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", "")):
                first, last = int(wanted[1]), int(wanted[2])
            body = content[first : last + 1]
            time.sleep(hub.pause)
            with lock:
                damaged, cut = hub.damage > 0, hub.cut > 0
                hub.damage -= damaged
                hub.cut -= cut
                hub.sent += len(body)
            if damaged:
                body = bytes([body[0] ^ 1]) + body[1:]
            self._say(206, {"Content-Range": f"bytes {first}-{last}/{len(content)}"}, body, cut=cut)

        def _say(
            self,
            status: int,
            headers: Mapping[str, str] = {},
            body: bytes = b"",
            *,
            cut: bool = False,
        ) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if cut else body)
            self.close_connection = self.close_connection or cut

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
