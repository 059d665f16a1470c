"""What the status page shows of an endpoint: facts for JSON, bounded, without anybody's data."""

import json
import time
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from emulator.fleet import Fleet
from emulator.jobs import Job, State
from emulator.queue import JobQueue
from emulator.worker import WorkerView

LOGS: Final = "/emulator/logs"
"""Where the workers' logs are served."""

_WORKERS: Final = 20
_ENDED: Final = 5
_RUNNING: Final = 20
_WAITING: Final = 10
_FINAL: Final = 30
_SCANNED: Final = 10_000
"""How many of the latest jobs are looked at."""
_PHASES: Final = 8
_TEXT: Final = 300
"""Characters of a text that somebody else wrote."""
_ERROR: Final = 50_000
"""Characters of an error that is looked into."""
_MEASURED: Final = 10_000

Facts = dict[str, Any]


class Status:
    """The state of one endpoint.

    Args:
        fleet: its workers.
        queue: its jobs.
        logs: the folder of its workers' logs.

    """

    def __init__(self, fleet: Fleet, queue: JobQueue, *, logs: Path) -> None:
        self._fleet = fleet
        self._queue = queue
        self._logs = logs
        self._began = time.time()
        self._sizes: dict[tuple[str, int, bool], int] = {}

    def log(self, worker: str) -> Path | None:
        """The log of a worker that runs or ran; None where there is none."""
        path = self._logs / f"{worker}.log"
        return path if worker.isalnum() and path.is_file() else None

    def facts(self) -> Facts:
        spec = self._fleet.spec
        workers = self._fleet.workers[-_WORKERS:]
        return {
            "id": spec.id,
            "command": " ".join(spec.command),
            "workers_min": spec.workers_min,
            "workers_max": spec.workers_max,
            "present": len(self._fleet.processes),
            "idle_seconds": spec.idle_seconds,
            "execution_timeout_seconds": spec.execution_timeout_seconds,
            "scaling": {"kind": spec.scaling.kind, "value": spec.scaling.value},
            "trouble": self._fleet.trouble,
            "queue": self._numbers(),
            "workers": [self._worker(worker) for worker in workers],
            "ended": self._ended({worker.id for worker in workers}),
            "jobs": [self._job(job) for job in self._chosen()],
        }

    def _numbers(self) -> Facts:
        queue, totals = self._queue, self._queue.totals
        return {
            "waiting": queue.waiting + queue.waiting_low,
            "running": queue.running,
            "longest_wait": queue.longest_wait if queue.waiting else 0.0,
            "completed": totals.completed,
            "failed": totals.failed,
            "cancelled": totals.cancelled,
            "retried": totals.retried,
        }

    def _worker(self, worker: WorkerView) -> Facts:
        jobs = self._queue.running_on(worker.id)
        return {
            "id": worker.id,
            "state": worker.state,
            "pid": worker.pid,
            "age": max(0.0, time.time() - worker.started),
            "jobs": [job.id for job in jobs[:_RUNNING]],
            "jobs_done": worker.jobs_done,
            "reason": worker.reason[:_TEXT],
            "log": self._log_url(worker.id),
        }

    def _ended(self, present: AbstractSet[str]) -> list[Facts]:
        """Give the latest workers that are no more, by the logs that they left."""
        if not self._logs.is_dir():
            return []
        logs = [(path.stat().st_mtime, path.stem) for path in self._logs.glob("*.log")]
        since = self._began - 1  # clocks of file systems are coarse
        ended = [log for log in logs if log[0] >= since and log[1] not in present]
        latest = sorted(ended, reverse=True)[:_ENDED]
        return [{"id": worker, "log": self._log_url(worker)} for _, worker in latest]

    def _chosen(self) -> list[Job]:
        """Give what runs, what runs next, and what ended last."""
        jobs = self._queue.recent(_SCANNED)
        running = [job for job in jobs if job.state is State.IN_PROGRESS]
        waiting = [job for job in jobs if job.state is State.IN_QUEUE]
        final = [job for job in jobs if job.state.is_final]
        waiting.sort(key=lambda job: (job.policy.low_priority, job.queued))
        final.sort(key=lambda job: job.finished or 0.0, reverse=True)
        return [*running[:_RUNNING], *waiting[:_WAITING], *final[:_FINAL]]

    def _job(self, job: Job) -> Facts:
        now = time.monotonic()
        started = now if job.started is None else job.started
        waited = started if job.started or not job.state.is_final else job.finished or now
        ran = (job.finished or now) - started
        is_output = job.state is State.COMPLETED
        return {
            "id": job.id,
            "state": str(job.state),
            "worker": None if job.worker is None else job.worker[:_TEXT],
            "log": job.worker and self._log_url(job.worker),
            "delay": max(0.0, waited - job.queued),
            "execution": None if job.started is None else max(0.0, ran),
            "retries": job.retries,
            "progress": _progress(job.output) if job.state is State.IN_PROGRESS else {},
            "error": _failure(job.error),
            "input_bytes": self._size(job, is_output=False),
            "output_bytes": self._size(job, is_output=True) if is_output else None,
        }

    def _log_url(self, worker: str) -> str | None:
        if self.log(worker) is None:
            return None
        return f"{LOGS}/{quote(self._queue.endpoint)}/{quote(worker)}"

    def _size(self, job: Job, *, is_output: bool) -> int:
        """Bytes of JSON; measured once, since there may be megabytes."""
        if len(self._sizes) > _MEASURED:
            self._sizes.clear()
        key = (job.id, job.retries, is_output)
        if key not in self._sizes:
            self._sizes[key] = len(json.dumps(job.output if is_output else job.input))
        return self._sizes[key]


def _progress(output: Any) -> dict[str, float]:  # noqa: ANN401  whatever a worker sends
    """Give the phases of Parley's progress, from 0 to 1; of other workers' nothing."""
    phases = output.get("progress") if isinstance(output, Mapping) else None
    if not isinstance(phases, Mapping):
        return {}
    numbers = {
        str(phase)[:_TEXT]: float(done)
        for phase, done in phases.items()
        if isinstance(done, int | float) and 0 <= done <= 1
    }
    return dict(list(numbers.items())[:_PHASES])


def _failure(error: Any) -> dict[str, str] | None:  # noqa: ANN401  whatever a worker sends
    """Give code and message of an error: of Parley's, of the SDK's, or a text without a code."""
    if error is None:
        return None
    text = error if isinstance(error, str) else json.dumps(error)
    body: Any = None
    if len(text) <= _ERROR:
        try:
            body = json.loads(text)
        except (ValueError, RecursionError):
            body = None
    if not isinstance(body, dict):
        return {"code": "", "message": text[:_TEXT]}
    code = str(body.get("code") or body.get("error_type") or "")
    message = str(body.get("message") or body.get("error_message") or "")
    name = code.removeprefix("<class '").removesuffix("'>")
    return {"code": name[:_TEXT], "message": message[:_TEXT]}
