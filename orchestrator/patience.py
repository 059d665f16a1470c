"""How long a caller of an endpoint waits, and how often it asks."""

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Figures of one endpoint's caller; times are in seconds."""

    request_seconds: float = 30.0
    """Longest wait for a connection, and for the next bytes of an answer."""
    attempts: int = 5
    """Most tries of one request, where it has no deadline."""
    first_pause: float = 0.5
    """Longest pause after the first failure; it doubles with each further one."""
    longest_pause: float = 10.0
    outage_seconds: float = 120.0
    """How long the platform may fail to take a job, or to tell its state."""
    forgotten_seconds: float = 10.0
    """How long it may say that there is no such job until it is believed."""

    least_poll: float = 0.04
    longest_poll: float = 5.0
    poll_share: float = 0.01
    """Share of a job's time that may be lost because its end is seen late."""
    polls_per_second: float = 80.0
    """Of all jobs of one endpoint together; RunPod allows an endpoint's callers 200."""

    submissions: int = 2
    """Most jobs that are made of one errand; the platform gives each to a second worker itself."""
    cancel_seconds: float = 25.0
    """How long is tried to cancel a job that nobody waits for any more."""
    cancels: int = 90
    """Most cancels of one endpoint in `cancel_window`; RunPod refuses more than 100."""
    cancel_window: float = 10.0

    def backoff(self, failures: int, *, asked: float = 0.0) -> float:
        """Choose the pause before the next try: exponential, with full jitter.

        Args:
            failures: so far, at least 1.
            asked: the pause that the platform asked for; the jitter is added to it, so that those
                who were refused together do not come back together.

        """
        # the exponent is bounded since a power of two can be too large for a float
        longest = min(self.longest_pause, self.first_pause * 2.0 ** min(failures - 1, 64))
        return asked + random.uniform(0.0, longest)

    def poll_pause(self, *, elapsed: float, waiting: int) -> float:
        """Choose the pause before a job's state is asked for again.

        Args:
            elapsed: since the job was submitted.
            waiting: jobs of this endpoint that share `polls_per_second`, at least 1.

        """
        due = min(self.longest_poll, max(self.least_poll, self.poll_share * elapsed))
        return max(due, waiting / self.polls_per_second) * random.uniform(0.75, 1.25)
