"""What a job gets from the glue to RunPod, whatever answers it."""

import asyncio
import json
import math
from typing import Any

import pytest

from handlers import errors
from handlers.errors import AudioTooLong, EngineCrashed, ParleyError
from handlers.logs import current_job
from handlers.progress import Progress, Step
from handlers.worker import Answer, ProgressPublisher, create_handler

JOB: dict[str, Any] = {"id": "job-1", "input": {"audio_url": "https://example.com/a.wav"}}


class Deliveries:
    """A platform that keeps what is posted, in the order in which it arrives."""

    def __init__(self, *, delay: float = 0.0) -> None:
        self.arrived: list[dict[str, Any]] = []
        self._delay = delay

    async def __call__(self, job: dict[str, Any], message: dict[str, Any]) -> None:
        await asyncio.sleep(self._delay)
        self.arrived.append({"job": job["id"], **message})


def answering(reply: dict[str, Any]) -> Answer:
    async def answer(_raw: Any, _progress: Progress) -> dict[str, Any]:
        return reply

    return answer


def failing(error: Exception) -> Answer:
    async def answer(_raw: Any, _progress: Progress) -> dict[str, Any]:
        raise error

    return answer


async def ask(answer: Answer, *, post: Deliveries | None = None, limit: int = 1000) -> Any:
    handler = create_handler(
        answer, post=post or Deliveries(), max_result_bytes=limit, progress_interval=0.0
    )
    return await handler(dict(JOB))


async def test_a_reply_is_handed_on_as_it_is() -> None:
    assert await ask(answering({"text": "Grüße"})) == {"text": "Grüße"}


async def test_a_typed_error_becomes_its_body_as_json_text() -> None:
    failed = await ask(failing(AudioTooLong(limit=60)))
    assert json.loads(failed["error"]) == AudioTooLong(limit=60).body()
    assert set(failed) == {"error"}


@pytest.mark.parametrize(
    "error", [KeyError("hf_secretsecret"), ZeroDivisionError("/home/me"), OSError("/var/secret")]
)
async def test_an_unexpected_error_shows_nothing_of_its_cause(error: Exception) -> None:
    failed = await ask(failing(error))
    body = json.loads(failed["error"])
    assert body["code"] == "internal_error"
    assert body["retryable"] is True
    assert "job-1" in body["message"]
    assert "Traceback" not in failed["error"]
    assert str(error) not in failed["error"]


async def test_a_crashed_gpu_replaces_the_worker() -> None:
    failed = await ask(failing(EngineCrashed("diarizer")))
    assert failed["refresh_worker"] is True
    assert json.loads(failed["error"])["code"] == "engine_crashed"


async def test_a_reply_above_the_limit_is_refused_and_not_lost() -> None:
    exact = {"text": "é" * 50}
    size = len(json.dumps({"output": exact}, ensure_ascii=False).encode())
    assert await ask(answering(exact), limit=size) == exact
    failed = await ask(answering(exact), limit=size - 1)
    assert json.loads(failed["error"])["code"] == "result_too_large"


@pytest.mark.parametrize("value", [math.nan, math.inf, object(), b"bytes"])
async def test_what_is_no_valid_json_never_leaves(value: object) -> None:
    failed = await ask(answering({"value": value}))
    assert json.loads(failed["error"])["code"] == "internal_error"


async def test_cancellation_passes_through() -> None:
    async def answer(_raw: Any, _progress: Progress) -> dict[str, Any]:
        await asyncio.sleep(60)
        return {}

    task = asyncio.create_task(ask(answer))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_progress_of_threads_arrives_before_the_result_and_never_after() -> None:
    platform = Deliveries(delay=0.05)

    async def answer(_raw: Any, progress: Progress) -> dict[str, Any]:
        for done in (0.25, 0.5, 1.0):
            await asyncio.to_thread(progress, Step("transcribe", done))
            await asyncio.sleep(0.02)
        return {"text": "done"}

    await ask(answer, post=platform)
    at_result = list(platform.arrived)
    await asyncio.sleep(0.2)
    assert platform.arrived == at_result
    assert at_result[0] == {"job": "job-1", "progress": {"transcribe": 0.25}}


async def test_progress_never_runs_backwards() -> None:
    platform = Deliveries()
    publisher = ProgressPublisher(JOB, post=platform, interval=0.0)
    for done in (0.5, 0.25, 0.75):
        publisher.report(Step("diarize", done))
        await asyncio.sleep(0.01)
    await publisher.close()
    shares = [message["progress"]["diarize"] for message in platform.arrived]
    assert shares == sorted(shares)
    assert shares[-1] == 0.75


async def test_what_is_logged_of_progress_names_its_job_alone() -> None:
    named: list[tuple[str, str | None]] = []

    async def post(job: dict[str, Any], _message: dict[str, Any]) -> None:
        named.append((job["id"], current_job.get()))

    async def answer(_raw: Any, progress: Progress) -> dict[str, Any]:
        progress(Step("fetch", 1.0))
        await asyncio.sleep(0.02)
        return {"text": "done"}

    handler = create_handler(answer, post=post, max_result_bytes=1000, progress_interval=0.0)

    async def work(name: str) -> None:
        await handler({**JOB, "id": name})

    await asyncio.gather(*(asyncio.create_task(work(name)) for name in ("one", "two")))
    assert sorted(named) == [("one", "one"), ("two", "two")]


async def test_progress_that_cannot_be_delivered_fails_no_job() -> None:
    async def broken(_job: dict[str, Any], _message: dict[str, Any]) -> None:
        raise ConnectionError

    async def answer(_raw: Any, progress: Progress) -> dict[str, Any]:
        progress(Step("fetch", 1.0))
        await asyncio.sleep(0.02)
        return {"text": "done"}

    handler = create_handler(answer, post=broken, max_result_bytes=1000, progress_interval=0.0)
    assert await handler(dict(JOB)) == {"text": "done"}


def _leaves(kind: type[ParleyError]) -> list[type[ParleyError]]:
    below = kind.__subclasses__()
    return [leaf for child in below for leaf in _leaves(child)] if below else [kind]


def test_the_drawn_error_tree_is_the_real_one() -> None:

    drawn = {
        tuple(line.replace("│", " ").replace("├──", " ").replace("└──", " ").split())
        for line in (errors.__doc__ or "").splitlines()
        if "──" in line and len(line.split()) > 2
    }
    leaves = {
        (leaf.__name__, leaf.code, *(("retryable",) if leaf.retryable else ()))
        for leaf in _leaves(ParleyError)
    }
    assert leaves <= drawn
    codes = [leaf.code for leaf in _leaves(ParleyError)]
    assert len(codes) == len(set(codes))
