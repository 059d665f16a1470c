"""What ends a worker before it takes jobs, and what is left to the jobs."""

from pathlib import Path

import pytest
import torch

from emulator.endpoint import WorkerEnded, local_endpoint
from handlers.errors import ModelMissing
from handlers.fitness import Unfit, checks, gpu
from handlers.settings import Settings

MISSING = [ModelMissing("There is no nobody/nothing.\nGive another.")]


def test_a_worker_for_processors_has_nothing_to_pass() -> None:
    assert checks(Settings(device="cpu"), MISSING) == []
    assert checks(Settings(device="auto"), ()) == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_required_and_not_there_is_told_in_one_line() -> None:
    assert checks(Settings(device="cuda"), ()) == [gpu]
    with pytest.raises(Unfit, match="PARLEY_DEVICE") as caught:
        gpu()
    assert "\n" not in str(caught.value)


def test_missing_weights_end_the_worker_where_the_operator_says_so() -> None:
    (check,) = checks(Settings(on_missing_weights="unfit"), MISSING)
    with pytest.raises(Unfit, match=r"model_missing: There is no nobody/nothing\. Give another\."):
        check()
    (check,) = checks(Settings(on_missing_weights="unfit"), ())
    check()


async def test_the_sdk_ends_an_unfit_worker_and_its_log_says_why(tmp_path: Path) -> None:
    environment = {
        "PARLEY_TRANSCRIBER_MODEL": "nobody/nothing",
        "HF_HUB_CACHE": str(tmp_path / "hub"),
        "HF_HUB_OFFLINE": "1",
        "PARLEY_ON_MISSING_WEIGHTS": "unfit",
    }
    log = tmp_path / "worker.log"
    async with local_endpoint(
        "handlers.transcription", environment=environment, log=log
    ) as endpoint:
        with pytest.raises(WorkerEnded):
            await endpoint.ask(audio_url="https://example.com/a.wav")
    assert "model_missing: " in log.read_text()
