"""A short recording on a diarization worker that has a long one."""

import asyncio
from typing import Any

import pytest
import torch

from benchmarks.diarization import demo_pipeline, load, talk
from handlers.audio import Recording
from handlers.diarizer import SpeakerCount
from handlers.progress import Progress, Step, ignore
from handlers.pyannote_diarizer import PyannoteDiarizer
from handlers.timeline import Diarization, Model
from tests.test_as_stock import recording


@pytest.fixture(scope="module")
def diarizer() -> Any:
    return PyannoteDiarizer(load(demo_pipeline()), model=Model("demo"))


class Course:
    """How far a job is."""

    def __init__(self) -> None:
        self.done = 0.0

    def __call__(self, step: Step) -> None:
        self.done = step.done

    async def reaches(self, share: float) -> None:
        while self.done < share:
            await asyncio.sleep(0.002)


async def turns(
    diarizer: PyannoteDiarizer, audio: Recording, progress: Progress = ignore
) -> Diarization:
    return await diarizer.diarize(audio, speakers=SpeakerCount(), progress=progress)


async def test_a_short_one_is_done_long_before_the_long_one_that_came_first(diarizer: Any) -> None:
    long, short = recording(talk(120.0, speakers=2)), recording(talk(6.0, speakers=1))
    course = Course()
    first = asyncio.create_task(turns(diarizer, long, course))
    await asyncio.wait_for(course.reaches(0.02), 60)
    second = await turns(diarizer, short)
    assert course.done < 0.6
    assert await first == await turns(diarizer, long)
    assert second == await turns(diarizer, short)
    assert second.turns


@pytest.mark.parametrize("allowed", [False, True])
async def test_the_switches_for_tf32_are_left_as_they_were(diarizer: Any, *, allowed: bool) -> None:
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = allowed
    try:
        sounds = [recording(talk(14.0, speakers=n)) for n in (1, 2)]
        await asyncio.gather(*(turns(diarizer, sound) for sound in sounds))
        assert torch.backends.cuda.matmul.allow_tf32 is allowed
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before
