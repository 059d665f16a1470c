"""From GraphQL's inputs to records.

An update of an endpoint is not sparse. What was measured of the real one is done here: the
numbers of workers, the idle timeout and the scaler fall back to their defaults where they are left
out, and all else stays (runpod-mcp, endpoint-gpus.ts).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, get_args

from emulator.management import catalog
from emulator.management.account import Account
from emulator.management.problems import bad, require
from emulator.management.records import Container, Cpu, Endpoint, Gpu, Template, new_id
from emulator.management.rules import gpu_is_required
from emulator.manifest import Scaling, ScalingKind

Input = Mapping[str, Any]

_SHORTEST_NAME: Final = 3
_LONGEST_IDLE: Final = 3600
_CUDA: Final = re.compile(r"[0-9]{1,4}\.[0-9]{1,4}")
_COUNT: Final = re.compile(r"[0-9]{1,4}")
_DEFAULTS: Final = {
    "workersMin": 0,
    "workersMax": 3,
    "idleTimeout": 10,
    "scalerType": "QUEUE_DELAY",
    "scalerValue": 4,
}
"""What is reset by an update that leaves it out."""


def new_endpoint(
    given: Input, account: Account, *, pin: Callable[[str], str]
) -> tuple[Endpoint, Template]:
    """Make the endpoint of an input without an id, and the template that goes with it.

    Args:
        given: the input.
        account: what there is.
        pin: gives a model reference with its commit.

    Raises:
        Problem: it cannot be.

    """
    if given.get("template"):
        template = replace(_inline(given["template"]), is_serverless=True)
        account.require_template_name(template.name)
    elif given.get("templateId"):
        template = _free(given["templateId"], account, own="")
    else:
        message = "templateId or template is required"
        raise bad(message)
    blank = Endpoint(name=given["name"], container=template.container, template_id=template.id)
    return _with(given, blank, pin=pin), template


def changed_endpoint(
    given: Input, endpoint: Endpoint, account: Account, *, pin: Callable[[str], str]
) -> Endpoint:
    """Make an endpoint as an input with its id wants it.

    Raises:
        Problem: it cannot be.

    """
    if given.get("template"):
        container = _inline(given["template"]).container
        endpoint = replace(endpoint, container=container)
    elif given.get("templateId", endpoint.template_id) != endpoint.template_id:
        template = _free(given["templateId"], account, own=endpoint.id)
        endpoint = replace(endpoint, container=template.container, template_id=template.id)
    return _with(given, endpoint, pin=pin)


def template_from(given: Input, template: Template | None) -> Template:
    """Make the template of an input; with a template, as that is to be."""
    container = Container(
        image=given["imageName"],
        args=given["dockerArgs"],
        disk=given["containerDiskInGb"],
        env=_env(given["env"]),
        ports=_split(given.get("ports")),
        registry=given.get("containerRegistryAuthId") or None,
    )
    made = Template(
        id=template.id if template else new_id(),
        name=given["name"],
        container=container,
        is_serverless=bool(given.get("isServerless")),
        is_public=bool(given.get("isPublic")),
        category=given.get("category") or "NVIDIA",
        starts_ssh=given.get("startSsh") is not False,
        starts_jupyter=given.get("startJupyter") is not False,
        disk_size=given["volumeInGb"],
        disk_path=given.get("volumeMountPath") or "",
        readme=given.get("readme") or "",
        bound_to=template.bound_to if template else "",
    )
    is_known = made.category in {"CPU", "NVIDIA", "AMD"}
    require("category must be CPU, NVIDIA or AMD", holds=is_known)
    message = "containerDiskInGb must be at least 1, and volumeInGb at least 0"
    require(message, holds=made.container.disk >= 1 and made.disk_size >= 0)
    return made


def _with(given: Input, endpoint: Endpoint, *, pin: Callable[[str], str]) -> Endpoint:
    _refuse_what_is_not_imitated(given)
    message = f"name must have at least {_SHORTEST_NAME} characters"
    require(message, holds=len(given["name"]) >= _SHORTEST_NAME)
    said = {name: default for name, default in _DEFAULTS.items() if given.get(name) is None}
    known = {**given, **said}
    is_scaler = known["scalerType"] in get_args(ScalingKind) and known["scalerValue"] >= 1
    message = "scalerType must be QUEUE_DELAY or REQUEST_COUNT, and scalerValue at least 1"
    require(message, holds=is_scaler)
    is_worker_count = 1 <= known["idleTimeout"] <= _LONGEST_IDLE and known["workersMin"] >= 0
    message = f"idleTimeout must be from 1 to {_LONGEST_IDLE}, and workersMin at least 0"
    require(message, holds=is_worker_count)
    models = endpoint.models
    if "modelReferences" in given:
        models = tuple(pin(reference) for reference in given["modelReferences"] or () if reference)
    timeout = given.get("executionTimeoutMs")
    after = replace(
        endpoint,
        name=given["name"],
        gpu=None if endpoint.cpu else _gpu(given, endpoint.gpu),
        cpu=_cpus(given, endpoint),
        workers_min=known["workersMin"],
        workers_max=known["workersMax"],
        idle_timeout=known["idleTimeout"],
        scaling=Scaling(kind=known["scalerType"], value=known["scalerValue"]),
        data_centers=_split(given["locations"]) if "locations" in given else endpoint.data_centers,
        volumes=_volumes(given, endpoint),
        timeout=endpoint.timeout if timeout is None else timeout,
        flashboot=given.get("flashBootType") or endpoint.flashboot,
        models=models,
    )
    message = "modelReferences are only supported on GPU endpoints"
    require(message, holds=not (after.models and after.cpu))
    return after


def _refuse_what_is_not_imitated(given: Input) -> None:
    message = "hubReleaseId and compliance are not imitated by the local platform"
    require(message, holds=not (given.get("hubReleaseId") or given.get("compliance")))
    message = "type: only QB is imitated by the local platform"
    require(message, holds=given.get("type") in {None, "QB"})


def _gpu(given: Input, before: Gpu | None) -> Gpu | None:
    names = _split(given.get("gpuIds"))
    if not names and not before and given.get("instanceIds"):
        return None
    pools = tuple(name for name in names if not name.startswith("-"))
    if not pools:
        raise gpu_is_required()
    gpu = replace(
        before or Gpu(pools=pools),
        pools=pools,
        excluded=tuple(name[1:].strip() for name in names if name.startswith("-")),
        count=given.get("gpuCount") or (before.count if before else 1),
    )
    if "allowedCudaVersions" in given:
        gpu = replace(gpu, cuda_versions=_split(given["allowedCudaVersions"]))
    if "minCudaVersion" in given:
        gpu = replace(gpu, least_cuda=given["minCudaVersion"] or "")
    versions = [*gpu.cuda_versions, *([gpu.least_cuda] if gpu.least_cuda else [])]
    is_cuda = all(_CUDA.fullmatch(version) for version in versions)
    message = "CUDA versions must be major.minor, and gpuCount at least 1"
    require(message, holds=is_cuda and gpu.count >= 1)
    return gpu


def _cpus(given: Input, endpoint: Endpoint) -> tuple[Cpu, ...]:
    names = [name for name in given.get("instanceIds") or () if name]
    has_gpu = endpoint.gpu or _split(given.get("gpuIds"))
    message = "gpuIds and instanceIds are mutually exclusive"
    require(message, holds=not (names and has_gpu))
    return tuple(map(_cpu, names)) or endpoint.cpu


def _cpu(name: str) -> Cpu:
    """Read `cpu3g-4-16`: the flavor, vCPUs, and GB of memory."""
    flavor_id, _, rest = name.partition("-")
    count, _, memory = rest.partition("-")
    flavor = catalog.CPUS.get(flavor_id)
    is_number = bool(_COUNT.fullmatch(count) and _COUNT.fullmatch(memory))
    is_right = flavor and is_number and int(count) * flavor.memory == int(memory)
    require(f"instance {name} not found", holds=bool(is_right))
    return Cpu(flavor_id, int(count))


def _volumes(given: Input, endpoint: Endpoint) -> tuple[str, ...]:
    if not {"networkVolumeId", "networkVolumeIds"} & given.keys():
        return endpoint.volumes
    several = [volume["networkVolumeId"] for volume in given.get("networkVolumeIds") or ()]
    one = given.get("networkVolumeId")
    return tuple(dict.fromkeys([*several, *([one] if one else [])]))


def _inline(given: Input) -> Template:
    return template_from(
        {
            **given,
            "imageName": given.get("imageName") or "",
            "dockerArgs": given.get("dockerArgs") or "",
            "containerDiskInGb": given.get("containerDiskInGb") or 20,
            "env": given.get("env") or [],
            "volumeInGb": 0,
        },
        None,
    )


def _free(template_id: str, account: Account, *, own: str) -> Template:
    template = account.template(template_id)
    message = "the template must be a serverless one, without a volume disk"
    require(message, holds=template.is_serverless and not template.disk_size)
    message = "the template is already bound to another endpoint"
    require(message, holds=template.bound_to in {"", own})
    return template


def _env(pairs: list[Mapping[str, str]]) -> dict[str, str]:
    return {pair["key"]: pair["value"] for pair in pairs}


def _split(text: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())
