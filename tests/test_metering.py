"""What a job takes of a worker that it shares, and what every reply says that it costs."""

import asyncio
import base64
import io
import json
import subprocess
import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from handlers.audio import Recording
from handlers.diarizer import Diarizer, SpeakerCount
from handlers.metering import Meter, charged
from handlers.progress import Progress, ignore
from handlers.replies import AnyReply, DiarizationReply, Reply, TranscriptionReply, Usage
from handlers.service import (
    ConversationService,
    DiarizationService,
    Resident,
    TranscriptionService,
)
from handlers.settings import Settings, SettingsError
from handlers.timeline import Diarization, Machine, Spent, Transcription, Turn, Word

if TYPE_CHECKING:
    from handlers.transcriber import Transcriber
    from handlers.worker import Answer

L4 = Machine(gpu="NVIDIA L4")
PRICE = 0.00019
OF = "https://docs.runpod.io/serverless/pricing, 2026-06-08"


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def shares(jobs: list[tuple[int, int]]) -> list[float]:
    """What each job got of a worker, by when it began and ended."""
    clock = Clock()
    meter = Meter(clock)
    with ExitStack() as everything:
        running: dict[int, Any] = {}
        got: dict[int, float] = {}
        for moment in sorted({moment for job in jobs for moment in job}):
            clock.now = 100.0 + moment
            for number, (began, ended) in enumerate(jobs):
                if began == moment and ended > began:
                    own = everything.enter_context(ExitStack())
                    running[number] = own, own.enter_context(meter.job())
                elif ended == moment and number in running:
                    own, taken = running.pop(number)
                    got[number] = taken()
                    own.close()
    return [got.get(number, 0.0) for number in range(len(jobs))]


def test_a_job_alone_takes_all_of_its_worker() -> None:
    assert shares([(0, 10)]) == [10.0]
    assert shares([(0, 10), (20, 25)]) == [10.0, 5.0]


def test_jobs_at_once_share_each_second() -> None:
    assert shares([(0, 10), (0, 10)]) == [5.0, 5.0]
    assert shares([(0, 10), (5, 10), (5, 20)]) == pytest.approx([5 + 5 / 3, 5 / 3, 5 / 3 + 10])


@given(
    st.lists(
        st.tuples(st.integers(0, 50), st.integers(0, 20)).map(lambda job: (job[0], sum(job))),
        max_size=12,
    )
)
def test_shares_add_up_to_the_seconds_in_which_there_was_a_job(jobs: list[tuple[int, int]]) -> None:
    busy = {second for began, ended in jobs for second in range(began, ended)}
    found = shares(jobs)
    assert sum(found) == pytest.approx(len(busy))
    for (began, ended), share in zip(jobs, found, strict=True):
        assert 0 <= share <= ended - began + 1e-9


def test_a_job_that_fails_is_counted_no_more() -> None:
    clock = Clock()
    meter = Meter(clock)
    with pytest.raises(ZeroDivisionError), meter.job():
        raise ZeroDivisionError
    with meter.job() as taken:
        clock.now += 3
        assert taken() == 3.0


@pytest.mark.parametrize(
    ("machine", "price", "basis"),
    [
        (L4, PRICE, f"NVIDIA L4 (AMPERE_24) at $0.00019 a second ({OF})"),
        (
            Machine(gpu="NVIDIA L4", count=2),
            2 * PRICE,
            f"2 x NVIDIA L4 (AMPERE_24) at $0.00038 a second ({OF})",
        ),
    ],
)
def test_a_gpu_has_the_price_of_its_pool(machine: Machine, price: float, basis: str) -> None:
    spent = charged(10.0, machine=machine, settings=Settings())
    assert spent.dollars_per_second == price
    assert spent.cost_dollars == pytest.approx(10 * price)
    assert (spent.machine, spent.cost_basis) == (str(machine), basis)


@pytest.mark.parametrize(
    ("machine", "why"),
    [
        (Machine(), "unknown: RunPod publishes no price of CPU workers"),
        (None, "unknown: the worker does not say what it runs on"),
        (Machine(gpu="NVIDIA GeForce GTX 1080"), "unknown: No pool of RunPod's is known"),
        (Machine(gpu="NVIDIA GeForce RTX 5090"), "unknown: No price of the pool ADA_32_PRO"),
    ],
)
def test_without_a_price_there_is_none_and_it_is_said_why(
    machine: Machine | None, why: str
) -> None:
    spent = charged(10.0, machine=machine, settings=Settings())
    assert spent.cost_dollars is spent.dollars_per_second is None
    assert spent.cost_basis.startswith(why)
    assert spent.worker_seconds == 10.0


@pytest.mark.parametrize("machine", [L4, Machine(), None])
def test_what_the_operator_says_goes_first(
    monkeypatch: pytest.MonkeyPatch, machine: Machine | None
) -> None:
    monkeypatch.setenv("PARLEY_PRICE_PER_SECOND", "0.00001")
    monkeypatch.setenv("RUNPOD_ENDPOINT_ID", "abc123")
    spent = charged(10.0, machine=machine, settings=Settings.read())
    assert spent.cost_dollars == pytest.approx(0.0001)
    assert spent.cost_basis == "$0.00001 a second, as PARLEY_PRICE_PER_SECOND says"
    assert spent.endpoint == "abc123"


@pytest.mark.parametrize("value", ["-1", "nan", "inf", "dear"])
def test_a_price_that_cannot_be_ends_the_worker(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("PARLEY_PRICE_PER_SECOND", value)
    with pytest.raises(SettingsError, match="PARLEY_PRICE_PER_SECOND"):
        Settings.read()


def spent(dollars: float | None, *, basis: str = "a price") -> Spent:
    return Spent(worker_seconds=2.0, cost_dollars=dollars, cost_basis=basis)


def test_what_several_workers_gave_is_added_up() -> None:
    usage = Usage(audio_seconds=60.0, processing_seconds=3.0)
    found = usage.charged({"transcription": spent(0.001)}).charged({"diarization": spent(0.002)})
    assert (found.worker_seconds, found.cost_dollars) == (4.0, 0.003)
    assert found.cost_basis == "transcription: a price; diarization: a price"


def test_one_price_that_lacks_makes_the_whole_unknown_and_the_rest_is_kept() -> None:
    usage = Usage(audio_seconds=60.0, processing_seconds=3.0)
    found = usage.charged({"diarization": spent(0.002), "orchestrator": spent(None, basis="none")})
    assert found.cost_dollars is None
    assert found.cost_basis == (
        "unknown for lack of orchestrator; diarization: a price; orchestrator: none"
    )
    assert found.workers["diarization"].cost_dollars == 0.002


class Engine:
    """Both engines, on a GPU; each recording takes `seconds`."""

    def __init__(self, seconds: float = 0.0) -> None:
        self._seconds = seconds

    async def transcribe(
        self, audio: Recording, *, language: str | None, progress: Progress
    ) -> Transcription:
        del audio, language, progress
        await asyncio.sleep(self._seconds)
        return Transcription((Word("hello", 0.0, 0.1),), machine=L4)

    async def diarize(
        self, audio: Recording, *, speakers: SpeakerCount, progress: Progress
    ) -> Diarization:
        del audio, speakers, progress
        await asyncio.sleep(self._seconds)
        turns = (Turn(0.0, 0.1, "A"),)
        return Diarization(turns, turns, machine=L4)


def job() -> dict[str, Any]:
    file = io.BytesIO()
    soundfile.write(file, np.zeros(1600, dtype=np.int16), 16_000, format="WAV")
    return {"audio_base64": base64.b64encode(file.getvalue()).decode()}


GOOD: dict[str, Any] = {"audio_seconds": 60.0, "processing_seconds": 3.0}


@pytest.mark.parametrize(
    "nonsense",
    [
        "free of charge",
        GOOD | {"workers": None},
        GOOD | {"workers": {"diarization": {}}},
        GOOD | {"workers": {"diarization": {"worker_seconds": -5.0}}},
        GOOD | {"workers": {"diarization": {"worker_seconds": 5.0, "cost_dollars": -1.0}}},
        GOOD | {"workers": {"diarization": {"worker_seconds": float("inf")}}},
        GOOD | {"workers": {"diarization": {"worker_seconds": 1.0, "cost_basis": "x" * 10_000}}},
        GOOD | {"worker_seconds": float("nan")},
        GOOD | {"cost_dollars": -0.01},
        GOOD | {"cost_basis": None},
        GOOD | {"finished": "yesterday"},
        {"audio_seconds": 1e999, "processing_seconds": 3.0},
    ],
)
def test_what_an_endpoint_says_of_its_cost_loses_no_answer(nonsense: Any) -> None:
    body = {
        "turns": [],
        "exclusive": [],
        "embeddings": {},
        "model": {"name": "m", "revision": "0", "source": "stub"},
        "audio": {
            "seconds": 60.0,
            "sha256": "0" * 64,
            "bytes": 1,
            "container": "wav",
            "codec": "pcm_s16le",
            "sample_rate": 16_000,
            "channels": 1,
        },
        "timings": {},
        "warnings": [],
    }
    whole = DiarizationReply.model_validate(body | {"usage": GOOD})
    assert whole.usage.processing_seconds == 3.0
    found = DiarizationReply.model_validate(body | {"usage": nonsense})
    assert found.turns == ()
    assert found.usage.cost_dollars is None
    assert found.usage.cost_basis == "unknown: what the worker says of it cannot be read"
    assert DiarizationReply.model_validate_json(json.dumps(found.body())).usage == found.usage


async def test_every_endpoint_says_what_its_worker_gave_and_what_that_costs() -> None:
    words: Resident[Transcriber[Recording]] = Resident(Engine)
    turns: Resident[Diarizer[Recording]] = Resident(Engine)
    settings = Settings()
    single = ConversationService(transcriber=words, diarizer=turns, settings=settings)
    heard = TranscriptionService(words, settings=settings)
    told_apart = DiarizationService(turns, settings=settings)
    kinds: list[tuple[type[AnyReply], str, Answer]] = [
        (Reply, "single", single.answer),
        (TranscriptionReply, "transcription", heard.answer),
        (DiarizationReply, "diarization", told_apart.answer),
    ]
    for kind, role, answer in kinds:
        body = json.loads(json.dumps(await answer(job(), ignore)))
        usage = kind.model_validate(body).usage
        assert list(usage.workers) == [role]
        assert usage.finished is not None
        assert 0 < usage.workers[role].worker_seconds <= usage.processing_seconds + 0.01
        # a thousandth of a dollar is many seconds: nothing of it is rounded away
        assert body["usage"]["cost_dollars"] == pytest.approx(
            PRICE * usage.workers[role].worker_seconds, abs=PRICE * 0.001
        )
        assert 0 < body["usage"]["cost_dollars"] < 0.001


async def test_two_jobs_of_one_worker_cost_what_its_seconds_cost() -> None:
    service = TranscriptionService(Resident(lambda: Engine(0.5)), settings=Settings())
    began = time.monotonic()
    bodies = await asyncio.gather(*(service.answer(job(), ignore) for _ in range(4)))
    lasted = time.monotonic() - began
    together = sum(body["usage"]["worker_seconds"] for body in bodies)
    assert together <= lasted + 0.01
    assert all(body["usage"]["processing_seconds"] >= 0.5 for body in bodies)
    assert together < sum(body["usage"]["processing_seconds"] for body in bodies)


def test_a_worker_starts_without_the_price_list() -> None:
    program = "import handlers.single, sys; print('handlers.prices' in sys.modules)"
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
