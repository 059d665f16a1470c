"""What keeps a worker from serving, in one line each, for RunPod's fitness checks.

A check that fails ends the worker: RunPod starts another, on another machine where there is one.
That helps against a machine that is wrong, and not against weights that are missing everywhere, so
these are told to every job instead, unless the operator wants it otherwise.
"""

from collections.abc import Sequence

from handlers.errors import ModelError
from handlers.settings import Settings
from handlers.worker import Check


class Unfit(RuntimeError):
    """The worker cannot serve; the message is one line that says why, and what to do."""


def checks(settings: Settings, failures: Sequence[ModelError]) -> list[Check]:
    """Give what a worker has to pass before it takes jobs.

    Args:
        settings: whether a GPU is required, and what missing weights mean.
        failures: of engines that could not be loaded.

    """
    found: list[Check] = []
    if settings.device == "cuda":
        found.append(gpu)
    if settings.on_missing_weights == "unfit":
        found.append(_weights(failures))
    return found


def gpu() -> None:
    """Require a GPU that this build of torch can use.

    Raises:
        Unfit: there is none, or its driver is too old.

    """
    import torch  # noqa: PLC0415

    try:
        torch.cuda.init()
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        message = (
            f"No GPU can be used: {reason}. This build needs a driver for CUDA "
            f"{torch.version.cuda or 'none, it is for processors alone'}; choose a GPU type and "
            "allowedCudaVersions, or set PARLEY_DEVICE=cpu."
        )
        raise Unfit(message) from error


def _weights(failures: Sequence[ModelError]) -> Check:
    def weights() -> None:
        if failures:
            reasons = " ".join(f"{failure.code}: {failure}" for failure in failures)
            raise Unfit(" ".join(reasons.split()))

    return weights
