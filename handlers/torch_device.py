"""What the engines share of torch: the device, and typed errors for what fails under them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from handlers.errors import EngineCrashed, ModelBroken, OutOfMemory, ParleyError
from handlers.timeline import Machine

# torch tells these apart by text alone: both are plain RuntimeErrors on some devices
_NO_MEMORY: Final = ("can't allocate memory", "out of memory", "CUBLAS_STATUS_ALLOC_FAILED")
_CRASHED: Final = ("CUDA error", "CUDNN_STATUS", "CUBLAS_STATUS", "device-side assert")


def pick_device(choice: str) -> str:
    """The device to load onto: a GPU where `auto` finds one."""
    import torch  # noqa: PLC0415

    if choice == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return choice


def machine_of(device: Any) -> Machine:  # noqa: ANN401
    """What a worker runs on that has an engine at this `torch.device`.

    A GPU may be one of several; then the worker has, and costs, all of them.
    """
    import torch  # noqa: PLC0415

    if device.type != "cuda":
        return Machine()
    return Machine(gpu=torch.cuda.get_device_name(device), count=torch.cuda.device_count())


@contextmanager
def typed_failures(engine: str, *, advice: str) -> Iterator[None]:
    """Turn what a machine does to an engine into typed errors.

    Args:
        engine: its name in the message.
        advice: what to do about memory, as the start of a sentence.

    Raises:
        OutOfMemory: the GPU's or the main memory does not suffice.
        EngineCrashed: CUDA failed in a way that this process cannot recover from.

    """
    try:
        yield
    except MemoryError as error:
        raise _exhausted(engine, advice) from error
    except RuntimeError as error:
        text = str(error)
        if any(sign in text for sign in _NO_MEMORY):
            _release()
            raise _exhausted(engine, advice) from error
        if any(sign in text for sign in _CRASHED):
            raise EngineCrashed(engine) from error
        raise


@contextmanager
def typed_load(name: str, *, advice: str) -> Iterator[None]:
    """Turn whatever a library raises over a model's files into one typed error.

    Args:
        name: the model's.
        advice: what to do, as a sentence.

    Raises:
        ModelBroken: the files cannot be loaded.
        OutOfMemory: the machine is too small for them.

    """
    try:
        with typed_failures(f"load of {name}", advice="Close what else runs here"):
            yield
    except ParleyError:
        raise
    except (
        Exception
    ) as error:  # archives, pickles, YAML, class look-ups: each with errors of its own
        reason = next(iter(str(error).splitlines()), "")
        message = f"{name} cannot be loaded ({type(error).__name__}: {reason}). {advice}"
        raise ModelBroken(message) from error


def _exhausted(engine: str, advice: str) -> OutOfMemory:
    return OutOfMemory(
        f"The {engine} ran out of memory. {advice}, or choose a machine with more memory."
    )


def _release() -> None:
    import torch  # noqa: PLC0415

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
