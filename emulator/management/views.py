"""From records to what the REST API answers."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from emulator.management import catalog
from emulator.management.records import Container, Endpoint, Registry, Template, Volume
from emulator.worker import WorkerState, WorkerView

Facts = dict[str, Any]
_STATES: Final[tuple[WorkerState, ...]] = (
    *("running", "idle", "initializing", "throttled", "unhealthy"),
)


def endpoint_facts(endpoint: Endpoint, *, base_url: str) -> Facts:
    """Tell about an endpoint; its request URLs begin with `base_url`."""
    own = f"{base_url}/{endpoint.id}"
    workers: Facts = {"min": endpoint.workers_min, "max": endpoint.workers_max}
    delay = endpoint.scaling.value
    scaling: Facts = {"type": "REQUEST_COUNT", "requestCount": int(delay)}
    if endpoint.scaling.kind == "QUEUE_DELAY":
        workers["idleTimeout"] = endpoint.idle_timeout
        scaling = {"type": "QUEUE_DELAY", "queueDelay": number(delay)}
    return {
        "id": endpoint.id,
        "name": endpoint.name,
        "type": "QUEUE",
        "requestUrls": {
            "run": f"{own}/run",
            "runSync": f"{own}/runsync",
            "status": f"{own}/status/{{job_id}}",
            "stream": f"{own}/stream/{{job_id}}",
            "cancel": f"{own}/cancel/{{job_id}}",
            "retry": f"{own}/retry/{{job_id}}",
            "purgeQueue": f"{own}/purge-queue",
            "health": f"{own}/health",
        },
        **container_facts(endpoint.container),
        **_compute(endpoint),
        "workers": workers,
        "scaling": scaling,
        "dataCenterIds": list(endpoint.data_centers),
        "networkVolumes": list(endpoint.volumes),
        "timeout": endpoint.timeout,
        "flashboot": endpoint.flashboot,
        "createdAt": moment(endpoint.created),
    }


def container_facts(container: Container) -> Facts:
    return {
        "image": container.image,
        "args": container.args,
        "disk": container.disk,
        "ports": list(container.ports),
        "env": dict(container.env),
        "registry": container.registry,
    }


def _compute(endpoint: Endpoint) -> Facts:
    gpu = endpoint.gpu
    if gpu is None:
        cpus = [(choice, catalog.CPUS[choice.flavor]) for choice in endpoint.cpu]
        return {
            "cpu": [
                {"id": flavor.id, "vcpuCount": c.vcpus, "memory": int(c.vcpus * flavor.memory)}
                for c, flavor in cpus
            ]
        }
    facts: Facts = {
        "pools": list(gpu.pools),
        "count": gpu.count,
        "allowedCudaVersions": list(gpu.cuda_versions),
        "minCudaVersion": gpu.least_cuda or None,
    }
    return {"gpu": facts | ({"excludedTypes": list(gpu.excluded)} if gpu.excluded else {})}


def worker_facts(endpoint: Endpoint, workers: Sequence[WorkerView]) -> Facts:
    """Tell about the workers of an endpoint; those that are being stopped are not among them."""
    active = [worker for worker in workers if worker.state != "stopping"]
    counts = Counter(worker.state for worker in active)
    return {
        "endpointVersion": endpoint.version,
        "summary": {**{state: counts[state] for state in _STATES}, "total": len(active)},
        "workers": [_worker(endpoint, worker) for worker in active],
    }


def _worker(endpoint: Endpoint, worker: WorkerView) -> Facts:
    started = datetime.fromtimestamp(worker.started, UTC)
    gpu, is_placed = endpoint.gpu, worker.pid is not None
    is_stale = worker.version != endpoint.version
    types = (
        [name for name in catalog.types_in(gpu.pools) if name not in gpu.excluded] if gpu else []
    )
    centers = endpoint.data_centers or tuple(catalog.DATA_CENTERS)
    uptime = int((datetime.now(UTC) - started).total_seconds())
    return {
        "id": worker.id,
        "status": worker.state.upper(),
        "isStale": is_stale,
        "version": worker.version,
        "gpuCount": gpu.count if gpu else 0,
        "image": None if is_stale else endpoint.container.image,
        "uptimeSeconds": max(0, uptime) if is_placed else None,
        "gpuTypeId": types[0] if types and is_placed else None,
        "dataCenterId": centers[0] if is_placed else None,
        "startedAt": moment(started) if is_placed else None,
    }


def release_facts(endpoint: Endpoint, workers: Sequence[WorkerView]) -> Facts:
    """Tell which versions an endpoint had, and how many workers run each."""
    versions = Counter(worker.version for worker in workers if worker.state != "stopping")
    total, latest = versions.total(), versions[endpoint.version]
    return {
        "endpointVersion": endpoint.version,
        "rollout": {
            "inProgress": latest < total,
            "workersOnLatest": latest,
            "workersTotal": total,
            "percentOnLatest": 100 * latest // total if total else 0,
        },
        "releases": [
            {
                "id": release.id,
                "version": release.version,
                "source": "MANUAL",
                "buildId": None,
                "createdByUserId": None,
                "workerCount": versions[release.version],
                "createdAt": moment(release.created),
                "diff": [{"field": f, "old": old, "new": new} for f, old, new in release.changes],
            }
            for release in reversed(endpoint.releases)
        ],
    }


def template_facts(template: Template) -> Facts:
    mount = {"size": template.disk_size, "path": template.disk_path}
    return {
        "id": template.id,
        "name": template.name,
        **container_facts(template.container),
        "mounts": {"persistent": mount} if template.disk_size else {},
        "serverless": template.is_serverless,
        "public": template.is_public,
        "category": template.category,
        "startSsh": template.starts_ssh,
        "startJupyter": template.starts_jupyter,
        "allowedCudaVersions": list(template.cuda_versions),
    }


def volume_facts(volume: Volume) -> Facts:
    return {
        "id": volume.id,
        "name": volume.name,
        "size": volume.size,
        "dataCenter": volume.data_center,
        "type": volume.type,
    }


def registry_facts(registry: Registry) -> Facts:
    return {"id": registry.id, "name": registry.name}


def moment(when: datetime) -> str:
    return when.isoformat(timespec="seconds").replace("+00:00", "Z")


def number(value: float) -> float:
    """Write whole numbers as such."""
    return int(value) if float(value).is_integer() else value
