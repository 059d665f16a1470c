"""Starts a worker: what every entry point does once it says what answers its jobs."""

import logging
import sys
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from handlers.bucket import Bucket
from handlers.cold_start import STOPWATCH, tell_once
from handlers.errors import ModelError
from handlers.loading import keep_one_heap
from handlers.logs import configure_logging
from handlers.progress import Progress
from handlers.settings import Settings, SettingsError
from handlers.worker import Check, require, serve

_log = logging.getLogger(__name__)

AnySettings = TypeVar("AnySettings", bound=Settings)


class Service(Protocol):
    """What answers jobs."""

    def warm(self) -> Sequence[ModelError]:
        """Get ready before the first job; what could not be loaded."""
        ...

    async def answer(self, raw: Any, progress: Progress) -> dict[str, Any]:  # noqa: ANN401
        """Answer the `input` of a job."""
        ...


def unchecked(_settings: Settings, _failures: Sequence[ModelError]) -> Sequence[Check]:
    """Nothing to pass."""
    return ()


def launch(
    create: Callable[[AnySettings], Service],
    *,
    kind: type[AnySettings],
    checks: Callable[[AnySettings, Sequence[ModelError]], Sequence[Check]] = unchecked,
) -> None:
    """Read the environment, get ready, and take jobs until the worker is stopped.

    Ends the process with a sentence where the environment holds what cannot be.

    Args:
        create: makes what answers jobs.
        kind: what the environment is read as.
        checks: gives what the worker has to pass before its first job, of the settings and of
            what could not be loaded.

    """
    keep_one_heap()
    try:
        settings = kind.read()
        configure_logging(settings)
        bucket = Bucket.from_settings(settings)
        service = create(settings)
    except SettingsError as error:
        sys.exit(f"The worker cannot start: {error}")
    failures = service.warm()
    cold_start = STOPWATCH.read()
    _log.info("%s", cold_start)
    require(checks(settings, failures))
    serve(
        tell_once(service.answer, cold_start),
        max_result_bytes=settings.max_result_bytes,
        progress_interval=settings.progress_interval_seconds,
        bucket=bucket,
        concurrency=settings.concurrency,
    )
