"""What engines share of torch: the device, and an error for memory that ran out."""

from collections.abc import Iterator
from contextlib import contextmanager

from handlers.errors import OutOfMemory


def pick_device(choice: str) -> str:
    """The device to load onto: a GPU where `auto` finds one."""
    import torch  # noqa: PLC0415

    if choice == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return choice


@contextmanager
def out_of_memory(engine: str, *, advice: str) -> Iterator[None]:
    """Turn an engine's exhaustion, on the GPU or in main memory, into one typed error."""
    import torch  # noqa: PLC0415

    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        _release()
        message = f"The {engine} ran out of memory. {advice}, or choose a machine with more memory."
        raise OutOfMemory(message) from error
    except RuntimeError as error:
        # torch's allocator for main memory raises a plain RuntimeError
        if "can't allocate memory" not in str(error):
            raise
        message = f"The {engine} ran out of memory. {advice}, or choose a machine with more memory."
        raise OutOfMemory(message) from error


def _release() -> None:
    import torch  # noqa: PLC0415

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
