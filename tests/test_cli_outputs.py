"""Which files become which files, what is left alone, and how a batch of them ends."""

import asyncio
import hashlib
import json
import signal
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from os import PathLike, fspath, getpid, kill
from pathlib import Path
from typing import Any

import pytest

from handlers.errors import AudioEmpty, OutOfMemory, ParleyError
from handlers.formats import Format
from handlers.progress import Step
from handlers.replies import Reply, Usage
from handlers.timeline import AudioFacts
from parley.batch import Request, Transcribes
from parley.config import Target
from parley.display import Journey
from parley.outputs import Files, OutputRefused, Recording, plan, shown
from parley.session import Work, carry_out

TARGET = Target(shape="single", endpoints=("a",), api_key="key")


class Client:
    """Fails as it is told by the stem of a recording, and answers all others."""

    def __init__(self, failures: Mapping[str, Exception] | None = None) -> None:
        self.failures = failures or {}
        self.asked: list[tuple[str, list[Format]]] = []
        self.at_once = self.most_at_once = 0

    async def transcribe(
        self,
        audio: str | PathLike[str],
        *,
        within: float,  # noqa: ARG002
        progress: Callable[[Step], None],
        **options: Any,
    ) -> Reply:
        self.asked.append((fspath(audio), options["formats"]))
        progress(Step("transcribe", 0.5))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0.01)
        self.at_once -= 1
        failure = self.failures.get(options["name"])
        if failure is not None:
            raise failure
        content = Path(audio).read_bytes() if Path(audio).exists() else b""
        sha256 = hashlib.sha256(content).hexdigest()
        return Reply(
            text="",
            language=None,
            segments=(),
            speakers=(),
            turns=(),
            formats={wanted: f"{wanted}: é\n" for wanted in options["formats"]},
            audio=AudioFacts(2.0, sha256, len(content), "wav", "pcm_s16le", 16000, 1),
            models={},
            timings={},
            usage=Usage(audio_seconds=2.0, processing_seconds=0.1),
            warnings=(),
        )


def run(
    client: Transcribes,
    *sources: Path | str,
    folder: Path | None,
    overwrite: bool = False,
    formats: tuple[Format, ...] = ("json", "txt"),
    jobs: int = 2,
) -> int:
    @asynccontextmanager
    async def opened() -> AsyncIterator[Transcribes]:
        yield client

    def connect(_: Target) -> AbstractAsyncContextManager[Transcribes]:
        return opened()

    work = Work(
        target=TARGET,
        recordings=plan([str(source) for source in sources], folder=folder),
        request=Request(formats=formats, within=60, jobs=jobs),
        store=Files(overwrite=overwrite),
    )
    return carry_out(work, quiet=False, verbose=True, connect=connect)


def recording(path: Path, content: bytes = b"sound") -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return path


def test_outputs_are_named_by_their_recording_and_go_to_one_folder(tmp_path: Path) -> None:
    talk = recording(tmp_path / "in" / "talk v2.mp3")
    url = "https://user:pass@example.com/a/meeting%20one.mp3?token=secret"
    first, second, third = plan([str(talk), url, "https://example.com"], folder=tmp_path / "out")
    assert first.output("srt") == tmp_path / "out" / "talk v2.srt"
    assert second.output("json") == tmp_path / "out" / "meeting one.json"
    assert third.name == "audio"


def test_outputs_may_go_beside_their_recordings(tmp_path: Path) -> None:
    sources = [recording(tmp_path / day / "talk.mp3") for day in ("monday", "tuesday")]
    planned = plan([str(source) for source in sources], folder=None)
    assert [r.folder for r in planned] == [tmp_path / "monday", tmp_path / "tuesday"]


def test_two_recordings_never_share_an_output(tmp_path: Path) -> None:
    for other in ("b/talk.mp3", "a/talk.wav", "a/TALK.mp3"):
        sources = [recording(tmp_path / "a" / "talk.mp3"), recording(tmp_path / other)]
        with pytest.raises(OutputRefused, match=r"talk.mp3 and .* would both be written to"):
            plan([str(source) for source in sources], folder=tmp_path)


def test_a_recording_that_is_given_twice_is_taken_once(tmp_path: Path) -> None:
    talk = recording(tmp_path / "talk.mp3")
    again = tmp_path / "." / "sub" / ".." / "talk.mp3"
    (tmp_path / "sub").mkdir()
    assert len(plan([str(talk), str(again)], folder=tmp_path)) == 1


def test_an_output_is_no_recording(tmp_path: Path) -> None:
    with pytest.raises(OutputRefused, match=r"talk\.json is given as a recording"):
        plan([str(recording(tmp_path / "talk.json"))], folder=tmp_path)


def test_addresses_are_shown_without_their_secrets() -> None:
    url = "https://user:pass@example.com:8080/talk.mp3?token=secret#part"
    assert shown(url) == "https://example.com:8080/talk.mp3"
    assert shown("data:audio/wav;base64,AAAA") == "data: URI"


def test_only_what_is_missing_is_asked_for_and_written(tmp_path: Path) -> None:
    talk = recording(tmp_path / "talk.mp3")
    (tmp_path / "talk.txt").write_text("my notes")
    client = Client()
    assert run(client, talk, folder=tmp_path, formats=("json", "txt", "srt")) == 0
    assert client.asked == [(str(talk), ["srt"])]  # the JSON is the reply itself
    assert (tmp_path / "talk.txt").read_text() == "my notes"
    assert (tmp_path / "talk.srt").read_text(encoding="utf-8") == "srt: é\n"
    assert run(client, talk, folder=tmp_path, formats=("json", "txt", "srt")) == 0
    assert len(client.asked) == 1


def test_overwrite_makes_everything_anew(tmp_path: Path) -> None:
    talk = recording(tmp_path / "talk.mp3")
    (tmp_path / "talk.txt").write_text("old")
    assert run(Client(), talk, folder=tmp_path, overwrite=True) == 0
    assert (tmp_path / "talk.txt").read_text(encoding="utf-8") == "txt: é\n"


def test_another_recording_of_the_same_name_is_not_taken_for_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monday = recording(tmp_path / "monday" / "talk.mp3", b"monday")
    tuesday = recording(tmp_path / "tuesday" / "talk.mp3", b"tuesday")
    assert run(Client(), monday, folder=tmp_path) == 0
    assert run(Client(), tuesday, folder=tmp_path) == 1
    assert "is the transcript of another recording" in capsys.readouterr().err
    sha256 = json.loads((tmp_path / "talk.json").read_text())["audio"]["sha256"]
    assert sha256 == hashlib.sha256(b"monday").hexdigest()


def test_a_file_that_cannot_be_written_leaves_nothing_half_done(tmp_path: Path) -> None:
    talk = recording(tmp_path / "in" / "talk.mp3")
    missing = tmp_path / "nowhere"
    assert run(Client(), talk, folder=missing) == 1
    with pytest.raises(UnicodeEncodeError):
        Files(overwrite=False).keep(Recording("talk.mp3", "talk", tmp_path), {"txt": "a\ud800"})
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


@pytest.mark.parametrize(
    ("failures", "status"),
    [
        ([], 0),
        ([AudioEmpty()], 1),
        ([OutOfMemory("Full. Try again.")], 3),
        ([OutOfMemory("Full. Try again."), AudioEmpty()], 1),
        ([ZeroDivisionError()], 1),
    ],
)
def test_the_exit_status_tells_whether_trying_again_helps(
    tmp_path: Path, failures: list[ParleyError], status: int
) -> None:
    sources = [recording(tmp_path / f"{number}.mp3") for number in range(3)]
    client = Client({str(number): failure for number, failure in enumerate(failures)})
    assert run(client, *sources, folder=tmp_path) == status
    assert (tmp_path / "2.json").exists()


def test_no_more_recordings_are_under_way_than_asked_for(tmp_path: Path) -> None:
    sources = [recording(tmp_path / f"{number}.mp3") for number in range(7)]
    client = Client()
    assert run(client, *sources, folder=tmp_path, jobs=3) == 0
    assert (client.most_at_once, len(client.asked)) == (3, 7)


def test_a_defect_shows_its_traceback_to_those_who_ask(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(Client({"talk": ZeroDivisionError()}), recording(tmp_path / "talk.mp3"), folder=tmp_path)
    told = capsys.readouterr().err
    assert "talk.mp3: defect: An unexpected ZeroDivisionError. Report it" in told
    assert "Traceback" in told


def test_a_signal_to_end_ends_with_its_number(tmp_path: Path) -> None:
    class Waiting(Client):
        async def transcribe(self, *_: Any, **__: Any) -> Reply:
            threading.Timer(0.05, kill, (getpid(), signal.SIGTERM)).start()
            await asyncio.sleep(60)
            raise AssertionError

    status = run(Waiting(), recording(tmp_path / "talk.mp3"), folder=tmp_path)
    assert status == 128 + signal.SIGTERM


def test_a_bar_follows_the_slower_engine() -> None:
    journey = Journey(diarize=True)
    shares, phases = [], []
    for step in (
        Step("queue", 0.0),
        Step("queue", 1.0),
        Step("decode", 1.0),
        Step("transcribe", 0.5),
        Step("diarize", 0.25),
        Step("transcribe", 1.0),
        Step("diarize", 1.0),
    ):
        journey.take(step)
        shares.append(round(journey.share, 3))
        phases.append(journey.phase)
    assert shares == [0, 0, 0.1, 0.1, 0.325, 0.325, 1.0]
    assert phases[0] == "waiting for a worker"
    assert phases[4] == "words 50%, speakers 25%"
    assert phases[5] == "speakers 25%"
