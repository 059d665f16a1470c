"""Weights from a bucket: a real S3 server on loopback, with a bad line in between."""

import hashlib
import json
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from handlers.errors import ModelBroken, ModelMissing
from handlers.settings import Settings, SettingsError
from handlers.weights import Weights, find_weights
from handlers.weights.files import Need
from handlers.weights.mirror import Mirror
from handlers.weights.shelf import Snapshot, paths_in, take
from handlers.weights.transfer import PART_BYTES
from tests.buckets import KEY_ID, SECRET, LocalBucket, local_bucket
from tests.test_weights import Home, home, nemo

__all__ = ["home"]

NAME = "NVIDIA/Some-Model"
FOLDER = "weights/nvidia/some-model/"


@pytest.fixture(scope="module")
def s3() -> Iterator[LocalBucket]:
    with local_bucket() as local:
        yield local


@dataclass
class Line:
    """What lies between a worker and the bucket.

    Attributes:
        cut: how many answers with content break off in the middle.
        damage: how many answers with content come with a bit turned over.
        fail: how many are answered with 503 instead.
        ranges: what was asked for and came.

    """

    url: str = ""
    cut: int = 0
    damage: int = 0
    fail: int = 0
    ranges: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def trouble(self) -> str | None:
        with self.lock:
            for kind in ("cut", "damage", "fail"):
                if left := getattr(self, kind):
                    setattr(self, kind, left - 1)
                    return kind
        return None


@contextmanager
def line(s3: LocalBucket, *, cut: int = 0, damage: int = 0, fail: int = 0) -> Iterator[Line]:
    bad = Line(cut=cut, damage=damage, fail=fail)
    host = urlsplit(s3.url)

    class Relay(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            behind = HTTPConnection(str(host.hostname), host.port)
            behind.request("GET", self.path, headers=dict(self.headers))
            answer = behind.getresponse()
            status, body = answer.status, answer.read()
            wanted = self.headers.get("Range")
            trouble = bad.trouble() if wanted else None
            if trouble == "fail":
                status, body = 503, b""
            elif trouble == "damage":
                body = bytes([body[0] ^ 1]) + body[1:]
            elif wanted and not trouble:
                bad.ranges.append(wanted)
            self.send_response(status)
            for name in ("Content-Type", "ETag", "Content-Range", "Last-Modified"):
                if value := answer.getheader(name):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if trouble == "cut" else body)
            self.close_connection = self.close_connection or trouble == "cut"

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Relay)
    server.daemon_threads = True
    bad.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield bad
    finally:
        server.shutdown()
        server.server_close()


def settings(home: Home, url: str, **variables: str) -> Settings:
    return home.settings(
        PARLEY_MIRROR_BUCKET="recordings",
        BUCKET_ENDPOINT_URL=url,
        BUCKET_ACCESS_KEY_ID=KEY_ID,
        BUCKET_SECRET_ACCESS_KEY=SECRET,
        **variables,
    )


def find(home: Home, url: str) -> Weights:
    return find_weights(NAME, files=("*.nemo",), settings=settings(home, url))


@pytest.fixture
def pushed(s3: LocalBucket, home: Home) -> Iterator[bytes]:
    """A model of four parts that is in the bucket, and nowhere else."""
    weights = nemo(os.urandom(4 * PART_BYTES - 20_000))
    home.put(home.root / "origin", NAME, model_nemo=weights)
    push(s3, home, take(home.root / "origin", Need(name=NAME, files=("*.nemo",))))
    yield weights
    keys = s3.keys()
    for key in keys:
        s3.client.delete_object(Bucket=s3.name, Key=key)


def push(s3: LocalBucket, home: Home, snapshot: Snapshot) -> None:
    Mirror.from_settings(settings(home, s3.url)).push(snapshot, paths_in(snapshot.path))


def test_it_is_fetched_in_parts_and_kept(s3: LocalBucket, home: Home, pushed: bytes) -> None:
    with line(s3) as good:
        found = find(home, good.url)
    assert found.model.source == "mirror"
    assert found.path.is_relative_to(home.volume)
    assert (found.path / "model.nemo").read_bytes() == pushed
    ends = [re.findall(r"\d+", wanted) for wanted in good.ranges]
    assert sorted(int(first) for first, _ in ends) == [n * PART_BYTES for n in range(4)]
    assert find(home, "http://127.0.0.1:1").model.source == "volume"


@pytest.mark.parametrize("trouble", [{"cut": 5}, {"damage": 5}, {"fail": 5}])
def test_what_breaks_off_or_is_damaged_is_fetched_again(
    s3: LocalBucket, home: Home, pushed: bytes, trouble: dict[str, int]
) -> None:
    """And only that: no part comes twice."""
    with line(s3, **trouble) as bad:
        found = find(home, bad.url)
    assert (found.path / "model.nemo").read_bytes() == pushed
    assert len(bad.ranges) == len(set(bad.ranges)) == 4


def test_what_came_is_kept_for_the_next_worker(
    s3: LocalBucket, home: Home, pushed: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("handlers.weights.transfer._FIRST_PAUSE", 0.01)
    with line(s3, damage=1000) as bad, pytest.raises(ModelMissing, match="came damaged"):
        find(home, bad.url)
    assert not list(home.volume.glob("models--*"))
    with line(s3) as good:
        found = find(home, good.url)
    assert (found.path / "model.nemo").read_bytes() == pushed


def test_a_bucket_that_is_unreachable_or_empty_is_no_end(
    s3: LocalBucket, home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    from tests.hubs import local_hub  # noqa: PLC0415

    with local_hub(repositories={NAME: {"model.nemo": nemo(b"of the hub")}}) as hub:
        chosen = settings(home, s3.url, HF_ENDPOINT=hub.url)
        assert find_weights(NAME, files=("*.nemo",), settings=chosen).model.source == "hub"
    assert "is not taken" not in caplog.text
    with pytest.raises(ModelMissing, match=f"the mirror has no {NAME}"):
        find_weights(NAME, files=("*.other",), settings=settings(home, s3.url))


def test_a_repository_is_pushed_once_and_its_manifest_last(
    s3: LocalBucket, home: Home, pushed: bytes
) -> None:
    digest = hashlib.sha256(pushed).hexdigest()
    assert sorted(s3.keys()) == sorted([f"{FOLDER}{digest}", f"{FOLDER}manifest.json"])
    before = s3.client.head_object(Bucket=s3.name, Key=f"{FOLDER}{digest}")["LastModified"]
    push(s3, home, take(home.root / "origin", Need(name=NAME, files=("*.nemo",))))
    after = s3.client.head_object(Bucket=s3.name, Key=f"{FOLDER}{digest}")["LastModified"]
    assert after == before
    body = s3.client.get_object(Bucket=s3.name, Key=f"{FOLDER}manifest.json")["Body"].read()
    assert json.loads(body)["repository"] == NAME


def test_a_damaged_file_is_not_pushed(s3: LocalBucket, home: Home) -> None:
    snapshot = home.put(home.store, NAME)
    (snapshot / "model.nemo").resolve().write_bytes(b"damaged")
    revision = Snapshot(path=snapshot, name=NAME, revision=snapshot.name)
    with pytest.raises(ModelBroken, match=r"model\.nemo is damaged"):
        push(s3, home, revision)
    assert s3.keys() == []


@pytest.mark.parametrize(
    "harm", [{"path": "../../outside"}, {"path": "/outside"}, {"digest": "../outside"}]
)
@pytest.mark.usefixtures("pushed")
def test_a_manifest_cannot_write_outside_the_volume(
    s3: LocalBucket, home: Home, harm: dict[str, str]
) -> None:
    key = f"{FOLDER}manifest.json"
    manifest = json.loads(s3.client.get_object(Bucket=s3.name, Key=key)["Body"].read())
    manifest["files"][0] |= harm
    s3.client.put_object(Bucket=s3.name, Key=key, Body=json.dumps(manifest).encode())
    chosen = settings(home, s3.url, PARLEY_WEIGHTS_FROM="volume,mirror")
    with pytest.raises(ModelBroken, match="cannot be read"):
        find_weights(NAME, files=("*.nemo",), settings=chosen)


def test_what_is_missing_of_the_buckets_variables_is_named(home: Home) -> None:
    chosen = home.settings(PARLEY_MIRROR_BUCKET="weights")
    with pytest.raises(SettingsError, match=r"PARLEY_MIRROR_BUCKET needs .*BUCKET_ENDPOINT_URL"):
        Mirror.from_settings(chosen)


def test_the_mirror_is_where_a_volume_less_worker_looks_too(
    s3: LocalBucket, home: Home, pushed: bytes, tmp_path: Path
) -> None:
    chosen = settings(home, s3.url, PARLEY_WEIGHTS_FROM="mirror", HOME=str(tmp_path))
    found = find_weights(NAME, files=("*.nemo",), settings=chosen)
    assert found.path.is_relative_to(tmp_path / ".cache" / "huggingface" / "hub")
    assert (found.path / "model.nemo").read_bytes() == pushed
