"""Whether an image is where RunPod will look for it.

A registry is asked as RunPod's hosts ask it without credentials: the OCI distribution
specification, with the anonymous token that public registries give
(https://distribution.github.io/distribution/spec/auth/token/).
"""

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Self
from urllib.parse import urlsplit

import aiohttp

_HUB: Final = "registry-1.docker.io"
_HUB_NAMES: Final = frozenset({"docker.io", "index.docker.io"})
_MANIFESTS: Final = (
    "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.docker.distribution.manifest.v2+json"
)
_PARAMETER: Final = re.compile(r'(\w+)="([^"]*)"')
_DENIED: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})
_TIMEOUT: Final = aiohttp.ClientTimeout(total=30)


@dataclass(frozen=True, slots=True)
class Reference:
    """An image: its host, its name there, its tag."""

    host: str
    name: str
    tag: str

    @classmethod
    def read(cls, image: str) -> Self:
        """Read `host/name:tag`; without a host it is Docker's own hub."""
        path, _, tag = image.rpartition(":")
        first, slash, rest = path.partition("/")
        if slash and ("." in first or ":" in first or first == "localhost"):
            host, name = first, rest
        else:
            host, name = _HUB, path if slash else f"library/{path}"
        return cls(_HUB if host in _HUB_NAMES else host, name, tag)

    @property
    def address(self) -> str:
        """Of its manifest."""
        scheme = "http" if is_loopback(self.host) else "https"
        return f"{scheme}://{self.host}/v2/{self.name}/manifests/{self.tag}"


def is_loopback(registry: str) -> bool:
    """Whether a registry, `host:port/path`, is on this machine, where it needs no certificate."""
    return urlsplit(f"//{registry}").hostname in {"localhost", "127.0.0.1", "::1"}


async def is_there(image: str, *, session: aiohttp.ClientSession) -> bool | None:
    """Whether everybody can pull an image; None where the registry cannot be asked."""
    reference = Reference.read(image)
    try:
        status, challenge = await _look(reference, token=None, session=session)
        if status == HTTPStatus.UNAUTHORIZED and challenge:
            token = await _anonymous(challenge, session=session)
            status, _ = await _look(reference, token=token, session=session)
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return None
    if status == HTTPStatus.OK:
        return True
    return False if status in _DENIED else None


async def _look(
    reference: Reference, *, token: str | None, session: aiohttp.ClientSession
) -> tuple[int, str]:
    headers = {"Accept": _MANIFESTS, "User-Agent": "parley"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    async with session.head(reference.address, headers=headers, timeout=_TIMEOUT) as response:
        return response.status, response.headers.get("WWW-Authenticate", "")


async def _anonymous(challenge: str, *, session: aiohttp.ClientSession) -> str | None:
    """The token that a registry gives to everybody."""
    scheme, _, rest = challenge.partition(" ")
    told = dict(_PARAMETER.findall(rest))
    realm = told.pop("realm", "")
    if scheme.lower() != "bearer" or urlsplit(realm).scheme not in {"http", "https"}:
        return None
    query = {name: told[name] for name in ("service", "scope") if name in told}
    async with session.get(realm, params=query, timeout=_TIMEOUT) as response:
        if response.status != HTTPStatus.OK:
            return None
        answer = await response.json(content_type=None)
    token = answer.get("token") or answer.get("access_token") if isinstance(answer, dict) else None
    return token if isinstance(token, str) else None
