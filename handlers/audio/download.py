"""Brings what a URL names into a file: from public hosts, within bounds of size, time and tries."""

import asyncio
import random
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import aiohttp
from yarl import URL

from handlers.audio.addresses import Guard, parse, shown
from handlers.audio.fetched import Fetched, new_file, removed_on_failure
from handlers.errors import (
    AddressForbidden,
    AudioTooLarge,
    DownloadError,
    DownloadRefused,
    DownloadTimedOut,
    HostFailed,
    HostUnreachable,
    RedirectLoop,
)
from handlers.progress import Progress, Step, ignore
from handlers.retry_after import asked_pause
from handlers.settings import Settings

MOST_REDIRECTS = 5
FIRST_PAUSE_SECONDS = 0.5
"""Before the second try; it doubles with each further one."""
LONGEST_PAUSE_SECONDS = 8.0

_BLOCK_BYTES = 2**18  # written and hashed in well under a millisecond, so the event loop may do it
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HEADERS = {"User-Agent": "parley", "Accept-Encoding": "identity"}


async def download(
    url: str, path: Path, *, settings: Settings, progress: Progress = ignore
) -> Fetched:
    """Download an http(s) URL to a file.

    Lost connections, broken bodies, 408, 429 and 5xx are tried again from the start of the file,
    `settings.download_attempts` times in all. A host that lets a deadline pass is not: whoever is
    slow once is likely to be slow again, and a worker is paid for while it waits. Redirects are
    followed, save from https to http, where the audio would travel in the open. No cookies, no
    proxies and no credentials but those in the URL itself are used, and these only for the host
    that they were given for.

    Args:
        url: may hold a user and a password, and is never shown with them.
        path: where to; nothing is left there if the download fails or is cancelled.
        settings: the bounds, and whether private addresses are allowed.
        progress: told the steps of the phase `fetch`, where the host says how much there is.

    Raises:
        AddressForbidden: the URL, or a redirect, leads where audio may not come from.
        DownloadRefused: 4xx, or a status that makes no sense.
        RedirectLoop: more than `MOST_REDIRECTS` redirects.
        HostUnreachable: no such host, no connection, no TLS.
        HostFailed: 429 or 5xx, or the body broke off, at the last try too.
        DownloadTimedOut: a deadline passed, or 408 at the last try too.
        AudioTooLarge: more than `settings.max_audio_bytes`.

    """
    address = parse(url)
    guard = Guard(allow_private=settings.allow_private_addresses)
    try:
        with removed_on_failure(path):
            async with (
                asyncio.timeout(settings.download_total_seconds) as deadline,
                _session(guard, settings) as session,
            ):
                visit = _Visit(session, guard, settings.max_audio_bytes, progress)
                return await _persist(visit, address, path, settings=settings, deadline=deadline)
    except TimeoutError as error:
        reason = f"did not deliver within {settings.download_total_seconds:g} s"
        raise DownloadTimedOut(address=shown(address), reason=reason) from error


def _session(guard: Guard, settings: Settings) -> aiohttp.ClientSession:
    timeout = aiohttp.ClientTimeout(
        total=None,  # it would bound one request; the deadline of the download bounds them all
        connect=settings.download_connect_seconds,
        sock_read=settings.download_idle_seconds,
    )
    connector = aiohttp.TCPConnector(socket_factory=guard, resolver=aiohttp.ThreadedResolver())
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers=_HEADERS,
        timeout=timeout,
        trust_env=False,
    )


class _WorthAnotherTry(Exception):
    """A try failed in a way that the next may not.

    Attributes:
        failure: what is raised if there is no next try.
        pause: seconds that the host asked to wait, where it did.

    """

    def __init__(self, failure: DownloadError, pause: float | None = None) -> None:
        super().__init__()
        self.failure = failure
        self.pause = pause


async def _persist(
    visit: "_Visit", address: URL, path: Path, *, settings: Settings, deadline: asyncio.Timeout
) -> Fetched:
    attempt = 0
    while True:
        attempt += 1
        try:
            return await visit.follow(address, path)
        except _WorthAnotherTry as signal:
            pause = _pause(attempt) if signal.pause is None else signal.pause
            end = deadline.when() or 0.0
            late = asyncio.get_running_loop().time() + pause >= end
            if attempt == settings.download_attempts or late:
                raise signal.failure from signal.__cause__
        await asyncio.sleep(pause)


def _pause(attempt: int) -> float:
    longest: float = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** (attempt - 1))
    return longest * random.uniform(0.5, 1)


@dataclass(frozen=True, slots=True)
class _Visit:
    """One try after another, through one session."""

    session: aiohttp.ClientSession
    guard: Guard
    limit: int
    progress: Progress

    async def follow(self, address: URL, path: Path) -> Fetched:
        start = address
        for _ in range(MOST_REDIRECTS + 1):
            answer = await self._ask(address, path)
            if isinstance(answer, Fetched):
                return answer
            address = answer
        raise RedirectLoop(address=shown(start), limit=MOST_REDIRECTS)

    async def _ask(self, address: URL, path: Path) -> Fetched | URL:
        """Give the file, or where the host says that it is."""
        where = shown(address)
        try:
            async with self.session.get(address, allow_redirects=False) as response:
                target = response.headers.get("Location")
                if response.status in _REDIRECTS and target is not None:
                    return _redirected(address, target)
                _judge(response, where)
                return await self._store(response, path)
        except aiohttp.ConnectionTimeoutError as error:
            reason = "did not take the connection in time"
            raise DownloadTimedOut(address=where, reason=reason) from error
        except TimeoutError as error:
            raise DownloadTimedOut(address=where, reason="stopped answering") from error
        except aiohttp.InvalidURL as error:
            raise AddressForbidden(address=where, reason="is no valid URL") from error
        except aiohttp.ClientConnectorError as error:
            if self.guard.refused:
                reason = "leads to a private or reserved address"
                raise AddressForbidden(address=where, reason=reason) from error
            failure = HostUnreachable(address=where, reason=_why(error))
            if isinstance(error, aiohttp.ClientSSLError):
                raise failure from error
            raise _WorthAnotherTry(failure) from error
        except aiohttp.ClientError as error:
            broke_off = HostFailed(address=where, reason="broke off its answer")
            raise _WorthAnotherTry(broke_off) from error

    async def _store(self, response: aiohttp.ClientResponse, path: Path) -> Fetched:
        promised = response.content_length or 0
        if promised > self.limit:
            raise AudioTooLarge(limit=self.limit)
        with new_file(path, limit=self.limit) as file:
            async for block in response.content.iter_chunked(_BLOCK_BYTES):
                file.write(block)
                if promised:
                    self.progress(Step("fetch", min(1.0, file.size / promised)))
        self.progress(Step("fetch", 1.0))
        return file.fetched()


def _redirected(address: URL, target: str) -> URL:
    try:
        absolute = parse(str(address.join(URL(target, encoded=True))))
    except (AddressForbidden, ValueError) as error:
        reason = "redirects to what is no http(s) URL"
        raise AddressForbidden(address=shown(address), reason=reason) from error
    if address.scheme == "https" and absolute.scheme == "http":
        reason = "redirects from https to http, where the audio would travel in the open"
        raise AddressForbidden(address=shown(address), reason=reason)
    return absolute


def _judge(response: aiohttp.ClientResponse, where: str) -> None:
    status = response.status
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return
    if status == HTTPStatus.REQUEST_TIMEOUT:
        raise _WorthAnotherTry(DownloadTimedOut(address=where, reason="answered HTTP 408"))
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        failure = HostFailed(address=where, reason=f"answered HTTP {status}")
        raise _WorthAnotherTry(failure, asked_pause(response.headers.get("Retry-After")) or None)
    raise DownloadRefused(address=where, status=status)


def _why(error: aiohttp.ClientConnectorError) -> str:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "the host's name cannot be resolved"
    if isinstance(error, aiohttp.ClientSSLError):
        return "the host's certificate or TLS is not in order"
    return "the host does not take the connection"
