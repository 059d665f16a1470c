"""One place that decides what a worker logs, and that no secret gets into it."""

import logging
import os
import re
import sys
import warnings
from collections.abc import Iterable
from contextvars import ContextVar
from typing import Final

from handlers.settings import Settings

_CREDENTIALS: Final = re.compile(
    r"(?P<scheme>https?://)(?:[^\s/@'\"]+@)?(?P<rest>[^\s?#'\"]+)[?#][^\s'\"]*"
    r"|(?P<bare>https?://)[^\s/@'\"]+@"
    r"|\bhf_[A-Za-z0-9]{8,}|\brpa_[A-Za-z0-9]{8,}|(?<=Bearer )\S+"
)
_NOISY: Final = ("nemo_logger", "nv_one_logger", "lightning", "pytorch_lightning", "matplotlib")
_HIDDEN: Final = "[hidden]"

current_job: Final[ContextVar[str | None]] = ContextVar("current_job", default=None)
"""The id of the job that is worked on, in its tasks and threads."""


def redact(text: str, *, secrets: Iterable[str] = ()) -> str:
    """Hide tokens, and the user and the query of every URL: signatures live there."""
    for secret in secrets:
        text = text.replace(secret, _HIDDEN)
    return _CREDENTIALS.sub(_hidden, text)


def _hidden(match: re.Match[str]) -> str:
    if match["scheme"]:
        return f"{match['scheme']}{match['rest']}?{_HIDDEN}"
    return f"{match['bare']}{_HIDDEN}@" if match["bare"] else _HIDDEN


class RedactingFormatter(logging.Formatter):
    """A formatter whose every line names its job, and has been through `redact`."""

    def __init__(self, *, secrets: tuple[str, ...]) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self._secrets = secrets

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  logging's own name
        job = current_job.get()
        line = super().formatMessage(record)
        return f"[{job}] {line}" if job else line

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record), secrets=self._secrets)


def configure_logging(settings: Settings) -> None:
    """Log to standard error, quiet the engines, keep replies out of the SDK's own log.

    To be called before the SDK is imported: it reads its level then, and installs a root handler
    where there is none.
    """
    # at the SDK's own default, DEBUG, it logs every reply: transcripts would be in the log
    os.environ.setdefault("RUNPOD_LOG_LEVEL", settings.log_level)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(RedactingFormatter(secrets=settings.secrets()))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in ("handlers", "orchestrator"):
        logging.getLogger(name).setLevel(settings.log_level)
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.ERROR)
    if settings.log_level != "DEBUG":
        warnings.simplefilter("ignore")
