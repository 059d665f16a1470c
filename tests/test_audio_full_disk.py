"""Jobs on a worker whose disk is full: a typed error, another try, and nothing left behind."""

import asyncio
import base64
import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from handlers.audio import Recording, open_audio
from handlers.audio.scratch import new_folder, typed_full
from handlers.errors import ScratchFull
from handlers.settings import Settings
from handlers.sources import AudioSource
from tests.web import giving, in_pieces, serving

PAGE = 4096
DISK = 256 * PAGE
SETTINGS = Settings(allow_private_addresses=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one MiB; where nobody may mount one, the last test has to do."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ("mount", "-t", "tmpfs", "-o", f"size={DISK},nr_inodes=32", "none", str(place))
    try:
        subprocess.run(mount, check=True, capture_output=True)  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("nothing can be mounted here")
    try:
        yield place
        assert [path.name for path in place.iterdir() if path.name != "filler"] == []
    finally:
        subprocess.run(("umount", "--lazy", str(place)), check=True)  # noqa: S603, S607


def fill(disk: Path, *, leave: int) -> None:
    """Leave so many pages of a disk."""
    (disk / "filler").write_bytes(bytes(DISK - leave * PAGE))


def fill_with(names: Iterable[Path]) -> None:
    for name in names:
        name.touch()


def sound(seconds: float, kind: str = "FLAC") -> bytes:
    file = io.BytesIO()
    samples = np.zeros(round(seconds * 16_000), dtype=np.int16)
    soundfile.write(file, samples, 16_000, format=kind)
    return file.getvalue()


def inline(content: bytes) -> AudioSource:
    return AudioSource(base64=base64.b64encode(content).decode())


async def opened(source: AudioSource, folder: Path) -> Recording:
    return await open_audio(source, settings=SETTINGS, folder=folder)


async def refused(source: AudioSource, folder: Path) -> None:
    with pytest.raises(ScratchFull) as caught:
        await opened(source, folder)
    for advice in ("container disk", "PARLEY_CONCURRENCY"):
        assert advice in str(caught.value)
    assert caught.value.retryable


async def test_a_download_that_does_not_fit(disk: Path) -> None:
    async with serving(in_pieces([bytes(2**18)] * 8)) as host:
        await refused(AudioSource(url=host.url()), disk)
        assert len(host.requests) == 1  # the disk is no emptier at the next try


async def test_a_body_that_does_not_fit(disk: Path) -> None:
    await refused(inline(sound(60, "WAV")), disk)


async def test_samples_that_do_not_fit(disk: Path) -> None:
    content = sound(60)
    assert len(content) < DISK / 2
    await refused(inline(content), disk)


async def test_a_file_that_is_too_much_when_it_is_closed(disk: Path) -> None:
    """So few bytes wait in memory until then."""
    fill(disk, leave=0)
    content = sound(0.01)
    assert len(content) < io.DEFAULT_BUFFER_SIZE
    await refused(inline(content), disk)
    async with serving(giving(content)) as host:
        await refused(AudioSource(url=host.url()), disk)


async def test_samples_that_are_too_much_when_they_are_flushed(disk: Path) -> None:
    content = sound(0.1)
    assert len(content) < PAGE < 0.1 * 16_000 * 4 < io.DEFAULT_BUFFER_SIZE
    fill(disk, leave=1)
    await refused(inline(content), disk)
    fill(disk, leave=3)
    assert (await opened(inline(content), disk)).duration == pytest.approx(0.1)


async def test_of_many_jobs_those_that_find_no_room_can_come_again(disk: Path) -> None:
    """Each needs a third of the disk, and holds it while it is worked on."""
    source = inline(sound(5))
    found = await asyncio.gather(*(opened(source, disk) for _ in range(9)), return_exceptions=True)
    fits = [one for one in found if isinstance(one, Recording)]
    assert all(isinstance(one, Recording | ScratchFull) for one in found)
    assert 0 < len(fits) < 9
    del found, fits
    assert (await opened(source, disk)).duration == pytest.approx(5)


def test_no_room_for_a_folder(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(disk))
    names = [disk / str(number) for number in range(40)]
    with pytest.raises(OSError, match="No space left"):
        fill_with(names)
    with pytest.raises(ScratchFull), new_folder():
        pass
    for name in names:
        name.unlink(missing_ok=True)
    with new_folder() as folder:
        assert folder.parent == disk


def test_what_else_goes_wrong_with_files_keeps_its_name() -> None:
    with pytest.raises(FileNotFoundError), typed_full():
        Path("/nowhere/at/all").read_bytes()


LIMITED = """
import asyncio, json, os, resource, sys
from handlers.errors import ParleyError
from handlers.service import Resident, TranscriptionService
from handlers.settings import Settings
limit = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
service = TranscriptionService(Resident(object), settings=Settings())
try:
    job = {"audio_base64": sys.stdin.read()}
    asyncio.run(service.answer(job, lambda step: None))
except ParleyError as error:
    print(json.dumps(error.body()))
print(os.listdir(os.environ["TMPDIR"]))
"""


@pytest.mark.parametrize(
    ("limit", "content"),
    [(0, sound(5)), (100_000, sound(5, "WAV")), (100_000, sound(5))],
    ids=["no folder", "no body", "no samples"],
)
def test_a_service_whose_files_may_not_grow_says_the_same(
    limit: int, content: bytes, tmp_path: Path
) -> None:
    """As a quota has it; for this, nobody needs to be root."""
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", LIMITED, str(limit)],
        input=base64.b64encode(content).decode(),
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    body, left = done.stdout.splitlines()
    assert json.loads(body) == ScratchFull().body()
    assert left == "[]"
