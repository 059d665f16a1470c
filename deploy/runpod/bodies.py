"""Endpoints as RunPod writes them, to and from our own values: pure."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, cast

from deploy.endpoint import (
    MARK,
    Cpu,
    Deployed,
    EndpointSpec,
    FlashBoot,
    Gpu,
    Pending,
    Scaling,
    ScalingType,
    Template,
    Volume,
    VolumeSpec,
    Workers,
)
from deploy.platform import Offer, WorkerCounts

_FLASHBOOT_SUFFIX: Final = " -fb"
"""Older endpoints carry FlashBoot in their name."""
_NO_STOCK: Final = "NONE"

ECHOED: Final = (
    "name",
    "type",
    "gpuIds",
    "gpuCount",
    "instanceIds",
    "workersMin",
    "workersMax",
    "idleTimeout",
    "scalerType",
    "scalerValue",
    "executionTimeoutMs",
    "flashBootType",
    "locations",
    "templateId",
    "allowedCudaVersions",
    "minCudaVersion",
    "compliance",
    "modelReferences",
)
"""Fields that `saveEndpoint` is told again as they are: it resets some that it is not told."""

ACCOUNT: Final = f"""
query {{
  myself {{
    maxServerlessConcurrency
    endpoints {{
      id
      {" ".join(ECHOED)}
      networkVolumeIds {{ networkVolumeId }}
    }}
  }}
}}
"""
SAVE: Final = """
mutation SaveEndpoint($input: EndpointInput!) {
  saveEndpoint(input: $input) { id modelReferences workersMin workersMax }
}
"""


def create_body(spec: EndpointSpec) -> dict[str, Any]:
    """CreateEndpointRequest. What RunPod's own default would decide is always said."""
    return {
        "name": spec.name,
        "type": "QUEUE",
        "image": spec.image,
        "disk": spec.disk_gb,
        "env": _environment(spec),
        **({"registry": spec.registry} if spec.registry else {}),
        **_machines(spec, clear=False),
        "workers": workers_body(spec.workers),
        "scaling": _scaling(spec.scaling),
        "timeout": spec.timeout_ms,
        "flashboot": spec.flashboot,
        "dataCenterIds": list(spec.data_centers),
        "networkVolumes": [_there(volume) for volume in spec.volumes],
    }


def update_body(spec: EndpointSpec, keys: Collection[str]) -> dict[str, Any]:
    """UpdateEndpointRequest: the parts that these keys of a plan are in, whole."""
    sections = {key.partition(".")[0] for key in keys}
    parts: dict[str, dict[str, Any]] = {
        "image": {"image": spec.image},
        "registry": {"registry": spec.registry},
        "disk_gb": {"disk": spec.disk_gb},
        "environment": {"env": _environment(spec)},  # it replaces all of them
        "gpu": _machines(spec, clear=True),
        "cpu": _machines(spec, clear=True),
        "workers": {"workers": workers_body(spec.workers)},
        "scaling": {"scaling": _scaling(spec.scaling)},
        "timeout_seconds": {"timeout": spec.timeout_ms},
        "flashboot": {"flashboot": spec.flashboot},
        "data_centers": {"dataCenterIds": list(spec.data_centers)},
        "volumes": {"networkVolumes": [_there(volume) for volume in spec.volumes]},
    }
    body: dict[str, Any] = {}
    for name in sorted(sections & parts.keys()):
        body |= parts[name]
    return body


def workers_body(workers: Workers) -> dict[str, Any]:
    """EndpointWorkers; with REQUEST_COUNT, RunPod refuses an idle timeout."""
    idle = {} if workers.idle_seconds is None else {"idleTimeout": workers.idle_seconds}
    return {"min": workers.least, "max": workers.most, **idle}


def volume_body(spec: VolumeSpec) -> dict[str, Any]:
    """CreateNetworkVolumeRequest."""
    return {"name": spec.name, "size": spec.size_gb, "dataCenter": spec.data_center}


def save_input(
    snapshot: Mapping[str, Any], *, models: Sequence[str], least_workers: int
) -> dict[str, Any]:
    """EndpointInput of `saveEndpoint`: all that there is, with other models and workers.

    A field that reads null is left out, since null may be refused where it is written. Volumes are
    read with their data center, and written without.
    """
    echoed = {name: snapshot[name] for name in ECHOED if snapshot.get(name) is not None}
    volumes = [
        {"networkVolumeId": volume["networkVolumeId"]}
        for volume in snapshot.get("networkVolumeIds") or []
    ]
    if isinstance(echoed.get("scalerValue"), float):  # read as any number, written as a whole one
        echoed["scalerValue"] = int(echoed["scalerValue"])
    return {
        "id": snapshot["id"],
        **echoed,
        **({"networkVolumeIds": volumes} if volumes else {}),
        "modelReferences": list(models),
        "workersMin": least_workers,
    }


def deployed(endpoint: Mapping[str, Any], *, models: Sequence[str] = ()) -> Deployed:
    """Endpoint of REST v2, with its models from GraphQL."""
    workers, scaling = endpoint["workers"], endpoint["scaling"]
    request_urls = endpoint.get("requestUrls") or {}
    by_delay = scaling["type"] == "QUEUE_DELAY"
    return Deployed(
        id=endpoint["id"],
        created=endpoint.get("createdAt") or "",
        run_url=request_urls.get("run"),
        spec=EndpointSpec(
            name=endpoint["name"].removesuffix(_FLASHBOOT_SUFFIX),
            image=endpoint.get("image") or "",
            disk_gb=endpoint.get("disk") or 0,
            registry=endpoint.get("registry") or None,
            machines=_machines_of(endpoint),
            workers=Workers(
                least=workers["min"], most=workers["max"], idle_seconds=workers.get("idleTimeout")
            ),
            scaling=Scaling(
                type=cast("ScalingType", scaling["type"]),
                value=float(scaling["queueDelay" if by_delay else "requestCount"]),
            ),
            timeout_ms=endpoint["timeout"],
            flashboot=cast("FlashBoot", endpoint.get("flashboot") or "OFF"),
            data_centers=tuple(sorted(endpoint.get("dataCenterIds") or ())),
            volumes=tuple(endpoint.get("networkVolumes") or ()),
            models=tuple(models),
            environment=dict(endpoint.get("env") or {}),
        ),
    )


def volume(answer: Mapping[str, Any]) -> Volume:
    """NetworkVolume."""
    spec = VolumeSpec(name=answer["name"], size_gb=answer["size"], data_center=answer["dataCenter"])
    return Volume(id=answer["id"], spec=spec)


def template(answer: Mapping[str, Any]) -> Template:
    """Template."""
    return Template(id=answer["id"], name=answer["name"], mark=(answer.get("env") or {}).get(MARK))


def worker_counts(answer: Mapping[str, Any]) -> WorkerCounts:
    """ListEndpointWorkersResponse."""
    summary = answer["summary"]
    return WorkerCounts(
        running=summary["running"],
        idle=summary["idle"],
        initializing=summary["initializing"],
        throttled=summary["throttled"],
        unhealthy=summary["unhealthy"],
    )


def gpu_offers(answer: Mapping[str, Any]) -> dict[str, Offer]:
    """ListGpuTypesResponse, by pool: a pool has what any of its cards has."""
    pools: dict[str, Offer] = {}
    for card in answer["gpus"]:
        if not card.get("pool"):
            continue
        one = _offer(card["pool"], card, price=(card.get("price") or {}).get("serverless"))
        had = pools.get(one.id)
        pools[one.id] = _both(had, one) if had else one
    return pools


def cpu_offers(answer: Mapping[str, Any]) -> dict[str, Offer]:
    """ListCpuTypesResponse, by flavor."""
    return {
        flavor["id"]: _offer(
            flavor["id"], flavor, price=(flavor.get("price") or {}).get("serverlessPerVcpu")
        )
        for flavor in answer["cpus"]
    }


def _offer(name: str, answer: Mapping[str, Any], *, price: float | None) -> Offer:
    places = answer.get("dataCenters")
    return Offer(
        id=name,
        available=answer.get("availability", _NO_STOCK) != _NO_STOCK,
        data_centers=None
        if places is None
        else frozenset(place["id"] for place in places if place["availability"] != _NO_STOCK),
        dollars_per_hour=price,
    )


def _both(one: Offer, other: Offer) -> Offer:
    places = (one.data_centers, other.data_centers)
    return Offer(
        id=one.id,
        available=one.available or other.available,
        data_centers=None if None in places else frozenset().union(*filter(None, places)),
        dollars_per_hour=one.dollars_per_hour or other.dollars_per_hour,
    )


def _environment(spec: EndpointSpec) -> dict[str, str]:
    return {name: _there(value) for name, value in spec.environment.items()}


def _there(value: str | Pending) -> str:
    """A value of something that exists; plans are ordered so that there is no other."""
    if isinstance(value, Pending):
        message = f"{value.name} is still to be made"
        raise TypeError(message)
    return value


def _scaling(scaling: Scaling) -> dict[str, Any]:
    if scaling.type == "QUEUE_DELAY":
        return {"type": scaling.type, "queueDelay": scaling.value}
    return {"type": scaling.type, "requestCount": int(scaling.value)}


def _machines(spec: EndpointSpec, *, clear: bool) -> dict[str, Any]:
    """`gpu` or `cpu`; on an update, what is not wanted has to be cleared by saying so."""
    machines = spec.machines
    if not isinstance(machines, Gpu):
        return {"cpu": [{"id": cpu.flavor, "vcpuCount": cpu.vcpus} for cpu in machines]}
    gpu: dict[str, Any] = {"pools": list(machines.pools), "count": machines.count}
    if machines.excluded or clear:
        gpu["excludedTypes"] = list(machines.excluded)
    if machines.min_cuda or clear:
        gpu["minCudaVersion"] = machines.min_cuda or ""
    if clear:
        gpu["allowedCudaVersions"] = []
    return {"gpu": gpu}


def _machines_of(endpoint: Mapping[str, Any]) -> Gpu | tuple[Cpu, ...]:
    gpu = endpoint.get("gpu")
    if gpu:
        return Gpu(
            pools=tuple(gpu.get("pools") or ()),
            excluded=tuple(gpu.get("excludedTypes") or ()),
            count=gpu.get("count") or 1,
            min_cuda=gpu.get("minCudaVersion") or None,
        )
    return tuple(Cpu(flavor=cpu["id"], vcpus=cpu["vcpuCount"]) for cpu in endpoint.get("cpu") or ())
