"""What a deployment needs of RunPod: the protocol that `deploy.runpod` speaks for."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from deploy.endpoint import (
    Deployed,
    EndpointSpec,
    State,
    Template,
    Volume,
    VolumeSpec,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A pool of GPUs, or a flavor of CPUs.

    Attributes:
        id: RunPod's.
        data_centers: where it has free machines now; None where RunPod does not say where.
        available: whether it has any free machine now.
        dollars_per_hour: of one GPU or one vCPU; None where RunPod does not say.

    """

    id: str
    available: bool
    data_centers: frozenset[str] | None = None
    dollars_per_hour: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerCounts:
    """Workers of an endpoint, by what they do."""

    running: int = 0
    idle: int = 0
    initializing: int = 0
    throttled: int = 0
    unhealthy: int = 0

    def __str__(self) -> str:
        counts = {
            "running": self.running,
            "idle": self.idle,
            "initializing": self.initializing,
            "throttled": self.throttled,
            "unhealthy": self.unhealthy,
        }
        told = [f"{count} {name}" for name, count in counts.items() if count]
        return ", ".join(told) or "no worker"


class Platform(Protocol):
    """An account of RunPod. Every method raises `deploy.errors.DeployError`.

    All but `create_endpoint` and `create_volume` may be sent again by themselves; these two raise
    `AnswerLost` where nobody knows whether they were carried out.
    """

    async def read(self) -> State:
        """Tell what there is."""
        ...

    async def create_endpoint(self, spec: EndpointSpec) -> Deployed:
        """Make an endpoint, without its models."""
        ...

    async def update_endpoint(
        self, existing: Deployed, spec: EndpointSpec, *, keys: Collection[str]
    ) -> None:
        """Change what these keys of a plan name, and nothing else."""
        ...

    async def set_models(
        self, existing: Deployed, models: Sequence[str], *, least_workers: int
    ) -> None:
        """Have RunPod cache these models for an endpoint, and keep so many workers of it."""
        ...

    async def set_workers(self, existing: Deployed, *, least: int) -> None:
        """Keep so many workers running."""
        ...

    async def delete_endpoint(self, endpoint: str) -> None:
        """Delete an endpoint and what it keeps of its container; one that is gone is none."""
        ...

    async def workers(self, endpoint: str) -> WorkerCounts:
        """Count the workers."""
        ...

    async def create_volume(self, spec: VolumeSpec) -> Volume:
        """Make a network volume."""
        ...

    async def grow_volume(self, volume: Volume, *, size_gb: int) -> None:
        """Make a network volume larger."""
        ...

    async def delete_volume(self, volume: str) -> None:
        """Delete a network volume and all that is on it; one that is gone is none."""
        ...

    async def templates(self) -> tuple[Template, ...]:
        """Tell which containers RunPod keeps."""
        ...

    async def delete_template(self, template: str) -> None:
        """Delete one; one that is gone is none."""
        ...

    async def gpu_offers(self, *, min_cuda: str | None, count: int) -> Mapping[str, Offer]:
        """Tell which pools there are, with drivers of that version at least."""
        ...

    async def cpu_offers(self, *, vcpus: int) -> Mapping[str, Offer]:
        """Tell which flavors there are, of so many vCPUs."""
        ...

    async def data_centers(self) -> frozenset[str]:
        """Tell which data centers there are."""
        ...
