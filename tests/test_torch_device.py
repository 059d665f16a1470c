"""What a machine does to an engine, as typed errors, on the real torch."""

import pytest
import torch

from handlers.errors import EngineCrashed, OutOfMemory
from handlers.torch_device import pick_device, typed_failures


def test_memory_that_torch_cannot_get_is_typed() -> None:
    with (
        pytest.raises(OutOfMemory, match=r"transcriber ran out of memory\. Lower this"),
        typed_failures("transcriber", advice="Lower this"),
    ):
        torch.empty(10**15)


@pytest.mark.parametrize(
    ("error", "typed"),
    [
        (MemoryError(), OutOfMemory),
        (torch.OutOfMemoryError("CUDA out of memory."), OutOfMemory),
        (RuntimeError("CUDA error: device-side assert triggered"), EngineCrashed),
        (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), EngineCrashed),
    ],
)
def test_failures_of_the_machine_are_told_apart(error: Exception, typed: type[Exception]) -> None:
    with pytest.raises(typed), typed_failures("diarizer", advice="Lower this"):
        raise error


def test_a_defect_of_ours_stays_what_it_is() -> None:
    with pytest.raises(RuntimeError, match="shape"), typed_failures("diarizer", advice=""):
        raise RuntimeError("shape mismatch")  # noqa: EM101, TRY003


def test_a_chosen_device_is_taken_and_auto_follows_the_machine() -> None:
    assert pick_device("cpu") == "cpu"
    assert pick_device("auto") == ("cuda" if torch.cuda.is_available() else "cpu")
