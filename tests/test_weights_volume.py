"""One volume, many workers: fetched once, by whoever lives, and never seen in part."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from handlers.errors import DiskFull, ModelMissing
from handlers.settings import Settings
from handlers.weights import find_weights
from handlers.weights.files import File
from handlers.weights.lease import LeaseLost, Watch
from handlers.weights.transfer import PART_BYTES, Corrupted, Transfer
from tests.hubs import LocalHub, local_hub
from tests.test_weights import nemo

NAME = "nvidia/some-model"
WORKER = """
import json, resource, sys
from handlers.errors import ParleyError
from handlers.settings import Settings
from handlers.weights import find_weights
settings = Settings.read()
if limit := int(sys.argv[1]):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
print("ready", flush=True)
sys.stdin.readline()
try:
    found = find_weights("nvidia/some-model", files=("*.nemo",), settings=settings)
    print(json.dumps({"path": str(found.path), "source": found.model.source}))
except ParleyError as error:
    print(json.dumps(error.body()))
"""
LEASE_SECONDS = 4.0


class Worker:
    """A process that finds weights when it is told to."""

    def __init__(self, volume: Path, hub: LocalHub, *, limit: int = 0) -> None:
        environment = {
            **os.environ,
            "MODELS_DIR": str(volume),
            "HF_ENDPOINT": hub.url,
            "PARLEY_LEASE_SECONDS": str(LEASE_SECONDS),
            "PARLEY_MODEL_STORE": str(volume / "no-store"),
            "HF_HUB_CACHE": str(volume / "hub"),
        }
        environment.pop("HF_HUB_OFFLINE", None)
        self.process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-c", WORKER, str(limit)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout
        assert self.process.stdout.readline() == "ready\n"

    def go(self) -> None:
        assert self.process.stdin
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def answer(self) -> dict[str, str]:
        out, _ = self.process.communicate(timeout=120)
        answer: dict[str, str] = json.loads(out)
        return answer

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@contextmanager
def workers(count: int, volume: Path, hub: LocalHub) -> Iterator[list[Worker]]:
    """Start them all, and let them search at the same moment."""
    started: list[Worker] = []
    try:
        started += [Worker(volume, hub) for _ in range(count)]
        for worker in started:
            worker.go()
        yield started
    finally:
        for worker in started:
            worker.kill()


def content(parts: int) -> bytes:
    return nemo(os.urandom(parts * PART_BYTES - 20_000))


def left_over(volume: Path) -> list[str]:
    """What a search left on the volume beside repositories."""
    return [path.name for path in (volume / "hub").glob("*") if "models--" not in path.name]


def test_ten_workers_on_an_empty_volume_download_once(tmp_path: Path) -> None:
    weights = content(3)
    with (
        local_hub(repositories={NAME: {"model.nemo": weights}}, pause=0.2) as hub,
        workers(10, tmp_path, hub) as ten,
    ):
        answers = [worker.answer() for worker in ten]
    assert sorted(answer["source"] for answer in answers) == ["hub", *["volume"] * 9]
    assert hub.sent == len(weights)
    assert len({answer["path"] for answer in answers}) == 1
    assert Path(answers[0]["path"], "model.nemo").read_bytes() == weights
    assert left_over(tmp_path) == []


def test_another_takes_over_where_the_first_was_killed(tmp_path: Path) -> None:
    """It goes on where the first one was, and nobody saw anything before it was whole."""
    weights = content(12)  # more than are fetched at once
    with (
        local_hub(repositories={NAME: {"model.nemo": weights}}, pause=1.0) as hub,
        workers(10, tmp_path, hub) as ten,
    ):
        first = _holder(tmp_path, ten)
        journal = _journal(tmp_path)
        while len(journal.read_text().splitlines()) < 4:
            time.sleep(0.02)
        first.kill()
        assert not list((tmp_path / "hub").glob("models--*"))
        fetched = len(journal.read_text().splitlines())
        answers = [worker.answer() for worker in ten if worker is not first]
    assert sorted(answer["source"] for answer in answers) == ["hub", *["volume"] * 8]
    assert len({answer["path"] for answer in answers}) == 1
    assert Path(answers[0]["path"], "model.nemo").read_bytes() == weights
    most_twice = (12 - fetched) * PART_BYTES
    assert len(weights) <= hub.sent <= len(weights) + most_twice
    assert left_over(tmp_path) == []


def _holder(volume: Path, candidates: list[Worker]) -> Worker:
    """Who downloads, by what its lease says."""
    for _ in range(1000):
        for lease in (volume / "hub").glob(".parley/*/lease.*"):
            words = lease.read_text().split(":")
            if len(words) > 1:
                return next(w for w in candidates if w.process.pid == int(words[1]))
        time.sleep(0.02)
    pytest.fail("nobody took the lease")


def _journal(volume: Path) -> Path:
    for _ in range(1000):
        if found := list((volume / "hub").glob(".parley/*/blobs/*.parts")):
            return found[0]
        time.sleep(0.02)
    pytest.fail("nothing is under way")


def test_a_disk_that_fills_up_is_a_typed_error_and_keeps_nothing(tmp_path: Path) -> None:
    with local_hub(repositories={NAME: {"model.nemo": content(2)}}) as hub:
        worker = Worker(tmp_path, hub, limit=PART_BYTES // 2)
        worker.go()
        answer = worker.answer()
    assert answer["code"] == DiskFull.code
    assert NAME in answer["message"]
    assert list((tmp_path / "hub").rglob("*")) == []


def test_what_has_no_room_is_not_even_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is real, and the file is larger than any."""
    free = shutil.disk_usage(tmp_path).free

    class Endless(LocalHub):
        def listing(self, name: str) -> dict[str, object]:
            listing = super().listing(name)
            listing["siblings"][0]["size"] = free * 2
            return listing

    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    with local_hub(kind=Endless, repositories={NAME: {"model.nemo": bytes(2000)}}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        with pytest.raises(DiskFull):
            find_weights(NAME, files=("*.nemo",), settings=Settings.read())
    assert hub.sent == 0
    assert list((tmp_path / "hub").rglob("*")) == []


def test_a_revision_is_added_to_a_repository_that_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a pipeline's repository, another may have fetched a part before."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    files = {"plda/plda.npz": b"plda", "config.yaml": b"pipeline: {}", "other/a.npz": b"a"}
    with local_hub(repositories={NAME: files}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        settings = Settings.read()
        part = find_weights(NAME, files=("plda/plda.npz",), settings=settings)
        assert [p.name for p in part.path.iterdir()] == ["plda"]
        whole = find_weights(NAME, files=("config.yaml", "*/*"), settings=settings)
    assert whole.path == part.path
    assert {p: (whole.path / p).read_bytes() for p in files} == files
    assert hub.asked[f"{NAME}/plda/plda.npz"] == 1


def test_a_damaged_copy_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    weights = nemo(b"weights")
    with local_hub(repositories={NAME: {"model.nemo": weights}}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        settings = Settings.read()
        find_weights(NAME, files=("*.nemo",), settings=settings)
        (blob,) = (tmp_path / "hub" / "models--nvidia--some-model" / "blobs").iterdir()
        blob.write_bytes(b"damaged")
        found = find_weights(NAME, files=("*.nemo",), settings=settings)
    assert found.model.source == "hub"
    assert (found.path / "model.nemo").read_bytes() == weights


def test_a_volume_that_cannot_be_written_to_names_what_to_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", "/proc/self/none")
    with local_hub(repositories={NAME: {"model.nemo": nemo(b"")}}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        with pytest.raises(ModelMissing, match="MODELS_DIR"):
            find_weights(NAME, files=("*.nemo",), settings=Settings.read())


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class TestLease:
    def test_one_holds_it_until_it_is_given_back(self, tmp_path: Path) -> None:
        first, second = (Watch(tmp_path, seconds=60) for _ in range(2))
        lease = first.try_take()
        assert lease
        with lease:
            assert second.try_take() is None
            assert first.try_take() is None
        assert second.try_take()

    def test_of_many_who_try_at_once_one_gets_it(self, tmp_path: Path) -> None:
        start = threading.Barrier(16)
        taken = []

        def attempt() -> None:
            watch = Watch(tmp_path, seconds=60)
            start.wait()
            if lease := watch.try_take():
                taken.append(lease)

        threads = [threading.Thread(target=attempt) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(taken) == 1

    def test_a_holder_without_a_sign_of_life_is_replaced(self, tmp_path: Path) -> None:
        """By the watcher's own clock: what hosts think the time is does not matter."""
        assert Watch(tmp_path, seconds=60).try_take()  # never enters: it is dead
        (lease,) = tmp_path.iterdir()
        os.utime(lease, (4e9, 4e9))
        clock = Clock()
        watch = Watch(tmp_path, seconds=60, clock=clock)
        assert watch.try_take() is None
        clock.now = 59.0
        assert watch.try_take() is None
        clock.now = 60.0
        assert watch.try_take()

    def test_who_lives_keeps_it(self, tmp_path: Path) -> None:
        lease = Watch(tmp_path, seconds=0.6).try_take()
        assert lease
        with lease:
            other = Watch(tmp_path, seconds=30.0)
            seen: set[str] = set()
            while len(seen) < 4:
                assert other.try_take() is None
                seen.add(other.holder)
                time.sleep(0.05)
            lease.check()

    def test_who_slept_too_long_learns_that_it_is_lost(self, tmp_path: Path) -> None:
        slept = Watch(tmp_path, seconds=0.6).try_take()
        assert slept
        clock = Clock()
        watch = Watch(tmp_path, seconds=60, clock=clock)
        watch.try_take()
        clock.now = 60.0
        assert watch.try_take()

        def goes_on() -> None:
            for _ in range(500):
                slept.check()
                time.sleep(0.02)

        with slept, pytest.raises(LeaseLost):
            goes_on()


class TestTransfer:
    DATA = os.urandom(2 * PART_BYTES + 10)

    def file(self, data: bytes = DATA) -> File:
        return File(path="a.bin", bytes=len(data), digest=hashlib.sha256(data).hexdigest())

    def transfer(self, folder: Path) -> Transfer:
        return Transfer(folder=folder, check=lambda: None)

    def test_it_goes_on_where_it_broke_off(self, tmp_path: Path) -> None:
        asked: list[int] = []

        def read(first: int, last: int) -> bytes:
            asked.append(first)
            return self.DATA[first:last]

        def failing(first: int, last: int) -> bytes:
            if first == 0:
                raise LeaseLost
            return read(first, last)

        with pytest.raises(LeaseLost):
            self.transfer(tmp_path).fetch(self.file(), failing)
        here = set(asked)
        asked.clear()
        path = self.transfer(tmp_path).fetch(self.file(), read)
        assert path.read_bytes() == self.DATA
        assert set(asked) == {0, PART_BYTES, 2 * PART_BYTES} - here

    def test_what_a_crash_spoiled_is_fetched_again(self, tmp_path: Path) -> None:
        """A journal may say more than the disk has kept."""
        data = self.DATA

        def failing(first: int, last: int) -> bytes:
            if first == 0:
                time.sleep(0.5)
                raise LeaseLost
            return data[first:last]

        with pytest.raises(LeaseLost):
            self.transfer(tmp_path).fetch(self.file(), failing)
        (partial,) = tmp_path.glob("*.partial")
        with partial.open("r+b") as file:
            file.seek(PART_BYTES + 5)
            file.write(b"spoiled")
        path = self.transfer(tmp_path).fetch(self.file(), lambda first, last: data[first:last])
        assert path.read_bytes() == data

    def test_what_is_not_the_file_leaves_nothing(self, tmp_path: Path) -> None:
        wrong = bytes(len(self.DATA))
        with pytest.raises(Corrupted):
            self.transfer(tmp_path).fetch(self.file(), lambda first, last: wrong[first:last])
        assert list(tmp_path.iterdir()) == []

    def test_an_empty_file_is_a_file(self, tmp_path: Path) -> None:
        path = self.transfer(tmp_path).fetch(self.file(b""), lambda *_: b"")
        assert path.read_bytes() == b""
