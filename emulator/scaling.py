"""How many workers an endpoint wants."""

import math
from dataclasses import dataclass

from emulator.manifest import EndpointSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What an endpoint has to do at a moment.

    Args:
        waiting: jobs in the queue, without those of low priority.
        longest_wait: of these, in seconds.
        running: jobs that workers have.
        workers: that there are or are being started.
        since_start: seconds since the latest of them was started.

    """

    waiting: int = 0
    longest_wait: float = 0.0
    running: int = 0
    workers: int = 0
    since_start: float = math.inf


def wanted_workers(spec: EndpointSpec, load: Load) -> int:
    """Tell how many workers there should be; those above may go once they are idle.

    - REQUEST_COUNT: one for each `value` jobs, waiting or running.
    - QUEUE_DELAY: the first at once, and one more each `value` seconds while a job has waited for
      longer than that, but never more workers than jobs.
    """
    jobs = load.waiting + load.running
    if spec.scaling.kind == "REQUEST_COUNT":
        wanted = math.ceil(jobs / spec.scaling.value)
    elif not load.waiting:
        wanted = 0
    else:
        patience = spec.scaling.value
        late = load.longest_wait > patience and load.since_start >= patience
        more = not load.workers or (late and load.workers < jobs)
        wanted = load.workers + more
    return min(max(wanted, spec.workers_min), spec.workers_max)
