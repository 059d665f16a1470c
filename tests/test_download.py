"""What comes of downloads, with a real server on loopback and no network beside it."""

import asyncio
import gzip
import hashlib
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from yarl import URL

from handlers.audio import addresses, download
from handlers.audio.addresses import is_public, parse, shown
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
from handlers.progress import Step
from handlers.settings import Settings
from tests.web import Host, answering, giving, hanging, in_pieces, redirecting, serving

CONTENT = bytes(range(256)) * 4096  # one MiB
ELSEWHERE = "127.0.0.2"


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "FIRST_PAUSE_SECONDS", 0.01)


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """Where to download to; whoever does not get a file leaves none."""
    target = tmp_path / "audio"
    yield target
    assert set(tmp_path.iterdir()) <= {target}


def settings(**changes: Any) -> Settings:
    return Settings(**{"allow_private_addresses": True, **changes})


async def get(url: str, path: Path, **changes: Any) -> bytes:
    fetched = await download.download(url, path, settings=settings(**changes))
    content = path.read_bytes()
    assert fetched.path == path
    assert fetched.size == len(content)
    assert fetched.sha256 == hashlib.sha256(content).hexdigest()
    return content


async def failing(url: str, path: Path, kind: type[DownloadError], **changes: Any) -> str:
    with pytest.raises(kind) as caught:
        await download.download(url, path, settings=settings(**changes))
    assert type(caught.value) is kind
    assert not path.exists()
    return str(caught.value)


async def test_brings_the_bytes_and_tells_how_far_it_is(path: Path) -> None:
    shares: list[float] = []

    def note(step: Step) -> None:
        assert step.phase == "fetch"
        shares.append(step.done)

    async with serving(giving(CONTENT)) as host:
        await download.download(host.url(), path, settings=settings(), progress=note)
    assert path.read_bytes() == CONTENT
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert len(shares) > 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 418, 304, 300])
async def test_a_refusal_is_final(path: Path, status: int) -> None:
    async with serving(answering(status)) as host:
        message = await failing(host.url(), path, DownloadRefused)
    assert str(status) in message
    assert "secret" not in message
    assert len(host.requests) == 1


@pytest.mark.parametrize("status", [500, 502, 503, 429, 408])
async def test_a_passing_failure_is_waited_out(path: Path, status: int) -> None:
    async with serving(answering(status), answering(status), giving(CONTENT)) as host:
        assert await get(host.url(), path) == CONTENT
    assert len(host.requests) == 3


@pytest.mark.parametrize(
    ("status", "kind"), [(500, HostFailed), (429, HostFailed), (408, DownloadTimedOut)]
)
async def test_a_lasting_failure_ends_the_download(
    path: Path, status: int, kind: type[DownloadError]
) -> None:
    async with serving(answering(status)) as host:
        message = await failing(host.url(), path, kind)
    assert str(status) in message
    assert len(host.requests) == settings().download_attempts


async def test_a_host_may_say_when_to_come_back(path: Path) -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    waits = answering(429, headers={"Retry-After": "1"})
    waits_until = answering(503, headers={"Retry-After": soon})
    began = time.monotonic()
    async with serving(waits, waits_until, giving(CONTENT)) as host:
        assert await get(host.url(), path) == CONTENT
    assert time.monotonic() - began > 1


async def test_nobody_waits_past_the_deadline(path: Path) -> None:
    began = time.monotonic()
    async with serving(answering(429, headers={"Retry-After": "3600"})) as host:
        await failing(host.url(), path, HostFailed)
    assert time.monotonic() - began < 60
    assert len(host.requests) == 1


@pytest.mark.parametrize("header", ["soon", "-1", "", "²"])
async def test_a_senseless_retry_after_is_ignored(path: Path, header: str) -> None:
    async with serving(answering(503, headers={"Retry-After": header}), giving(CONTENT)) as host:
        assert await get(host.url(), path) == CONTENT


async def test_a_broken_body_is_fetched_anew(path: Path) -> None:
    short = in_pieces([CONTENT[:1000]], promise=len(CONTENT))
    async with serving(short, short, giving(CONTENT)) as host:
        assert await get(host.url(), path) == CONTENT


async def test_a_body_that_always_breaks_is_the_hosts_failure(path: Path) -> None:
    async with serving(in_pieces([CONTENT[:1000]], promise=len(CONTENT))) as host:
        await failing(host.url(), path, HostFailed)
    assert len(host.requests) == settings().download_attempts


@pytest.mark.parametrize(
    "behaviour",
    [
        pytest.param(hanging(), id="before the first byte"),
        pytest.param(in_pieces([b"some"], hang=True), id="in the middle"),
        pytest.param(in_pieces([b"some"], promise=1000, hang=True), id="before the promised end"),
    ],
)
async def test_a_silent_host_is_not_waited_for(path: Path, behaviour: Any) -> None:
    async with serving(behaviour) as host:
        await failing(host.url(), path, DownloadTimedOut, download_idle_seconds=0.2)
    assert len(host.requests) == 1


async def test_a_trickle_ends_at_the_deadline(path: Path) -> None:
    trickle = in_pieces([b"x"] * 1000, pause=0.05)
    async with serving(trickle) as host:
        message = await failing(
            host.url(),
            path,
            DownloadTimedOut,
            download_idle_seconds=5,
            download_total_seconds=0.5,
        )
    assert "within 0.5 s" in message


async def test_retries_end_at_the_deadline(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "FIRST_PAUSE_SECONDS", 600)
    monkeypatch.setattr(download, "LONGEST_PAUSE_SECONDS", 600)
    async with serving(answering(500)) as host:
        await failing(host.url(), path, HostFailed, download_total_seconds=30)
    assert len(host.requests) == 1


async def test_size_is_bounded_by_what_is_announced(path: Path) -> None:
    async with serving(in_pieces([b"x"], promise=1001)) as host:
        with pytest.raises(AudioTooLarge):
            await get(host.url(), path, max_audio_bytes=1000)
    assert not path.exists()


@pytest.mark.parametrize("content_encoding", [None, "gzip"])
async def test_size_is_bounded_by_what_comes(path: Path, content_encoding: str | None) -> None:
    content = bytes(10**6)
    headers = {}
    if content_encoding:
        content, headers = gzip.compress(content), {"Content-Encoding": content_encoding}

    async def behave(request: Any) -> Any:
        response = await giving(content, headers=headers)(request)
        response.enable_chunked_encoding()
        return response

    async with serving(behave) as host:
        with pytest.raises(AudioTooLarge):
            await get(host.url(), path, max_audio_bytes=500_000)
    assert not path.exists()


async def test_exactly_the_limit_is_allowed(path: Path) -> None:
    async with serving(giving(CONTENT)) as host:
        assert await get(host.url(), path, max_audio_bytes=len(CONTENT)) == CONTENT


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_follows_redirects(path: Path, status: int) -> None:
    async with serving(
        redirecting("/a/b", status=status), redirecting("../c?d=e#f"), giving(CONTENT)
    ) as host:
        assert await get(host.url(), path) == CONTENT
    assert [request.path_qs for request in host.requests] == ["/audio", "/a/b", "/c?d=e"]


async def test_gives_up_on_a_redirect_loop(path: Path) -> None:
    async with serving(redirecting("/audio")) as host:
        await failing(host.url(), path, RedirectLoop)
    assert len(host.requests) == download.MOST_REDIRECTS + 1


@pytest.mark.parametrize("target", ["ftp://example.com/a", "file:///etc/passwd", "http://[::1"])
async def test_redirects_lead_to_http_alone(path: Path, target: str) -> None:
    async with serving(redirecting(target)) as host:
        message = await failing(host.url(), path, AddressForbidden)
    assert host.url() in message


def test_a_redirect_does_not_take_the_encryption_away() -> None:
    with pytest.raises(AddressForbidden, match="in the open"):
        download._redirected(URL("https://example.com/a"), "http://example.com/a")


async def test_a_signed_address_is_sent_to_the_letter(path: Path) -> None:
    signed = "/a%2Fb?sig=x%2Fy%2B%7E&at=%3a"
    async with serving(redirecting(signed), giving(CONTENT)) as host:
        await get(host.url(signed), path)
    assert [request.raw_path for request in host.requests] == [signed, signed]


async def test_an_address_with_other_letters_is_encoded(path: Path) -> None:
    async with serving(giving(CONTENT)) as host:
        await get(host.url("/Grüße an alle.mp3"), path)
    assert [request.path for request in host.requests] == ["/Grüße an alle.mp3"]


async def test_credentials_and_cookies_stay_where_they_were_given(path: Path) -> None:
    async with (
        serving(giving(CONTENT), address=ELSEWHERE) as other,
        serving(redirecting("/again"), redirecting(other.url())) as host,
    ):
        await get(host.url().replace("//", "//user:word@"), path)
    assert all("Authorization" in request.headers for request in host.requests)
    assert "Authorization" not in other.requests[0].headers
    for request in (*host.requests, *other.requests):
        assert "Cookie" not in request.headers
        assert "Referer" not in request.headers


async def test_no_proxy_is_taken_from_the_environment(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    async with serving(giving(CONTENT)) as host:
        assert await get(host.url(), path) == CONTENT


async def test_a_host_that_takes_no_connection(path: Path) -> None:
    async with serving(giving(CONTENT)) as host:
        url = host.url()
    message = await failing(url, path, HostUnreachable)
    assert "does not take the connection" in message


async def test_a_name_that_nobody_has(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    message = await failing("http://nobody.example/a", path, HostUnreachable)
    assert "cannot be resolved" in message


async def test_a_host_without_tls_is_not_asked_again(path: Path) -> None:
    async with serving(giving(CONTENT)) as host:
        message = await failing(host.url().replace("http", "https"), path, HostUnreachable)
    assert "TLS" in message


async def test_a_host_that_speaks_no_http(path: Path) -> None:
    async def speak(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.9\r\n")
        writer.close()

    async with await asyncio.start_server(speak, "127.0.0.1") as server:
        port = server.sockets[0].getsockname()[1]
        await failing(f"http://127.0.0.1:{port}/", path, HostFailed)


async def test_a_cancelled_download_leaves_nothing(path: Path) -> None:
    async with serving(in_pieces([CONTENT], hang=True)) as host:
        task = asyncio.create_task(get(host.url(), path))
        while not path.exists() or not path.stat().st_size:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert not path.exists()


class TestPrivateAddresses:
    """The guard, with one loopback address declared public so that a server can be there."""

    @pytest.fixture(autouse=True)
    def _one_public_address(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(
            addresses, "is_public", lambda host: host == ELSEWHERE or is_public(host)
        )

    SPELLINGS = (
        "http://127.0.0.1:{port}/",
        "http://localhost:{port}/",
        "http://[::1]:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "http://[::ffff:7f00:1]:{port}/",
        "http://2130706433:{port}/",
        "http://017700000001:{port}/",
        "http://127.1:{port}/",
        "http://0x7f000001:{port}/",
        "http://0x7f.1:{port}/",
        "http://0.0.0.0:{port}/",
        "http://user:word@127.0.0.1:{port}/?a=b",
        "http://169.254.169.254/latest/meta-data/",
        "http://[fd00:ec2::254]/latest/meta-data/",
        "http://10.0.0.1/",
        "http://100.100.100.200/",
    )

    @pytest.mark.parametrize("spelling", SPELLINGS)
    async def test_are_refused_however_they_are_spelled(self, path: Path, spelling: str) -> None:
        async with serving(giving(CONTENT)) as private:
            url = spelling.format(port=private.port)
            message = await failing(url, path, AddressForbidden, allow_private_addresses=False)
        assert private.requests == []
        assert "word" not in message
        assert "a=b" not in message

    @pytest.mark.parametrize("spelling", SPELLINGS)
    async def test_are_refused_to_redirects(self, path: Path, spelling: str) -> None:
        async with serving(giving(CONTENT)) as private:
            target = spelling.format(port=private.port)
            async with serving(redirecting(target), address=ELSEWHERE) as public:
                await failing(public.url(), path, AddressForbidden, allow_private_addresses=False)
        assert len(public.requests) == 1
        assert private.requests == []

    async def test_are_refused_to_names_that_change_their_mind(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        answers = iter([ELSEWHERE, "127.0.0.1"])
        monkeypatch.setattr(socket, "getaddrinfo", resolving(lambda: [next(answers)]))
        async with serving(giving(CONTENT)) as private:
            target = f"http://rebind.example:{private.port}/"
            async with serving(redirecting(target), address=ELSEWHERE) as public:
                first = f"http://rebind.example:{public.port}/"
                await failing(first, path, AddressForbidden, allow_private_addresses=False)
        assert len(public.requests) == 1
        assert private.requests == []

    async def test_are_passed_over_where_a_host_has_a_public_one_too(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(
            socket, "getaddrinfo", resolving(lambda: ["10.0.0.1", "127.0.0.1", ELSEWHERE])
        )
        async with (
            serving(giving(CONTENT), address=ELSEWHERE) as public,
            serving(giving(b""), port=public.port) as private,
        ):
            url = f"http://both.example:{public.port}/"
            assert await get(url, path, allow_private_addresses=False) == CONTENT
        assert private.requests == []


def resolving(answer: Any) -> Any:
    """A `getaddrinfo` that gives every name the same addresses, numbers their own."""
    real = socket.getaddrinfo

    def resolve(host: str, port: Any, *arguments: Any, **options: Any) -> Any:
        hosts = answer() if host.endswith(".example") else [host]
        return [entry for one in hosts for entry in real(one, port, *arguments, **options)]

    return resolve


@pytest.mark.parametrize(
    "host",
    """
    127.0.0.1 10.1.2.3 172.16.0.1 192.168.1.1 169.254.169.254 100.64.0.1 100.100.100.200 0.0.0.0
    224.0.0.1 239.1.1.1 240.0.0.1 255.255.255.255 192.0.0.192 192.0.2.1 198.18.0.1 203.0.113.9
    168.63.129.16 ::1 :: fe80::1 fe80::1%eth0 fc00::1 fd00:ec2::254 fec0::1 ff02::1 2001:db8::1
    ::ffff:127.0.0.1 ::ffff:10.0.0.1 64:ff9b::7f00:1 64:ff9b:1::1 2002:7f00:1:: 2002:a00:1::
    """.split(),  # noqa: SIM905  a table reads better than quotes
)
def test_private_hosts(host: str) -> None:
    assert not is_public(host)


@pytest.mark.parametrize(
    "host", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::"]
)
def test_public_hosts(host: str) -> None:
    assert is_public(host)


@pytest.mark.parametrize(
    "text",
    ["", "audio.mp3", "/etc/passwd", "file:///etc/passwd", "ftp://example.com/a", "//example.com/a",
     "http://", "http:///path", "http://[::1", "http://h:99999/", "http://u:p@/a", "\0", "http://\0"],
)  # fmt: skip
async def test_only_http_addresses_are_addresses(path: Path, text: str) -> None:
    await failing(text, path, AddressForbidden)


names = st.from_regex(r"[a-z]{1,10}(\.[a-z]{2,5}){1,2}", fullmatch=True)
secrets = st.from_regex(r"S3CR3T[A-Za-z0-9%+/=&;:?!~._-]{0,20}", fullmatch=True)
paths = st.from_regex(r"(/[A-Za-z0-9._@;=-]{1,10}){0,3}", fullmatch=True)


@examples(max_examples=50, deadline=None, derandomize=True)
@given(
    scheme=st.sampled_from(["http", "https"]),
    user=secrets.map(lambda text: text.translate({ord(c): None for c in "/?"})),
    host=names,
    port=st.none() | st.integers(1, 65535),
    path=paths,
    query=secrets,
    fragment=secrets,
)
def test_an_address_is_shown_without_its_secrets(  # noqa: PLR0913  the parts of a URL
    *, scheme: str, user: str, host: str, port: int | None, path: str, query: str, fragment: str
) -> None:
    place = host if port is None else f"{host}:{port}"
    url = f"{scheme}://{user}@{place}{path}?{query}#{fragment}"
    assert "S3CR3T" not in shown(url)
    assert shown(url) in {f"{scheme}://{place}{path}", f"{scheme}://{place}/"}
    assert shown(parse(url)) == shown(url)


@examples(max_examples=50, deadline=None, derandomize=True)
@given(st.text(max_size=40) | st.builds("http://{}@{}".format, secrets, st.text(max_size=20)))
def test_showing_takes_any_text(text: str) -> None:
    assert "?" not in shown(text)
    assert "#" not in shown(text)


async def test_failures_hold_no_secrets(path: Path) -> None:
    async with serving(answering(404), redirecting("/again?S3CR3T"), answering(500)) as host:
        url = secretly(host)
        for kind in (DownloadRefused, HostFailed):
            message = await failing(url, path, kind, download_attempts=1)
            assert "S3CR3T" not in message
            assert f"http://127.0.0.1:{host.port}" in message


def secretly(host: Host) -> str:
    return f"http://S3CR3T:S3CR3T@127.0.0.1:{host.port}/audio?S3CR3T#S3CR3T"
