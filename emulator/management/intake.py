"""From the bodies of the REST API to records."""

from dataclasses import replace
from http import HTTPStatus

from emulator.management.account import Account
from emulator.management.problems import Problem, bad, unprocessable
from emulator.management.records import Container, Cpu, Endpoint, Gpu, Template, new_id
from emulator.management.rules import refuse_both_or_neither
from emulator.management.schemas import Container as ContainerBody
from emulator.management.schemas import (
    CpuChoice,
    CreateEndpoint,
    CreateTemplate,
    GpuChange,
    GpuChoice,
    QueueDelay,
    RequestCount,
    UpdateEndpoint,
    UpdateTemplate,
)
from emulator.manifest import Scaling

_EMPTY = Container(image="")


def endpoint_from(body: CreateEndpoint, account: Account) -> Endpoint:
    """Make the endpoint that a body describes.

    Raises:
        Problem: it contradicts itself (400, 422), names no template (404), or is of a kind that is
            not imitated (501).

    """
    if body.type == "LOAD_BALANCER":
        message = "Load balancing endpoints are not imitated by the local platform."
        raise Problem(HTTPStatus.NOT_IMPLEMENTED, message)
    refuse_both_or_neither(gpu="gpu" in body.model_fields_set, cpu="cpu" in body.model_fields_set)
    template = _serverless(account.template(body.template_id)) if body.template_id else None
    container = _merged(body, template.container if template else _EMPTY)
    if template:
        container = replace(container, env={**template.container.env, **body.env})
    gpu = _gpu(body.gpu) if body.gpu else None
    if gpu and body.gpu and template and "allowed_cuda_versions" not in body.gpu.model_fields_set:
        gpu = replace(gpu, cuda_versions=() if gpu.least_cuda else template.cuda_versions)
    scaling = _scaling(body.scaling)
    _refuse_idle_timeout(body, scaling)
    return Endpoint(
        name=body.name,
        container=container,
        template_id=new_id(),
        gpu=gpu,
        cpu=_cpus(body.cpu),
        workers_min=body.workers.min,
        workers_max=body.workers.max,
        idle_timeout=body.workers.idle_timeout,
        scaling=scaling,
        data_centers=tuple(body.data_center_ids),
        volumes=tuple(body.network_volumes),
        timeout=body.timeout,
        flashboot=body.flashboot,
    )


def changed(body: UpdateEndpoint, endpoint: Endpoint, account: Account) -> Endpoint:
    """Make an endpoint as a body wants it; what the body leaves out stays.

    Raises:
        Problem: it contradicts itself or the endpoint (400, 422), or names no template (404).

    """
    is_gpu, is_cpu = (name in body.model_fields_set for name in ("gpu", "cpu"))
    if (is_gpu and is_cpu) or (is_gpu and endpoint.cpu) or (is_cpu and endpoint.gpu):
        message = "the compute family of an endpoint cannot be changed"
        raise bad(message)
    container = endpoint.container
    if body.template_id:
        preset = _serverless(account.template(body.template_id)).container
        container = replace(_merged(body, preset), env={**preset.env, **body.env})
    else:
        container = _merged(body, container)
    scaling = _scaling(body.scaling) if body.scaling else endpoint.scaling
    _refuse_idle_timeout(body, scaling)
    workers = body.workers
    return replace(
        endpoint,
        name=body.chosen("name", endpoint.name),
        container=container,
        gpu=_changed_gpu(body.gpu, endpoint.gpu) if body.gpu and endpoint.gpu else endpoint.gpu,
        cpu=_cpus(body.cpu) if is_cpu else endpoint.cpu,
        workers_min=workers.chosen("min", endpoint.workers_min),
        workers_max=workers.chosen("max", endpoint.workers_max),
        idle_timeout=workers.chosen("idle_timeout", endpoint.idle_timeout),
        scaling=scaling,
        data_centers=tuple(body.chosen("data_center_ids", endpoint.data_centers)),
        volumes=tuple(body.chosen("network_volumes", endpoint.volumes)),
        timeout=body.chosen("timeout", endpoint.timeout),
        flashboot=body.chosen("flashboot", endpoint.flashboot),
    )


def template_from(body: CreateTemplate) -> Template:
    """Make the template that a body describes."""
    return _with_mount(
        body,
        Template(
            name=body.name,
            container=_merged(body, _EMPTY),
            is_serverless=body.serverless,
            is_public=body.public,
            category=body.category,
            starts_ssh=body.start_ssh,
            starts_jupyter=body.start_jupyter,
            cuda_versions=tuple(body.allowed_cuda_versions),
        ),
    )


def changed_template(body: UpdateTemplate, template: Template) -> Template:
    """Make a template as a body wants it; what the body leaves out stays."""
    return _with_mount(
        body,
        replace(
            template,
            name=body.chosen("name", template.name),
            container=_merged(body, template.container),
            is_serverless=body.chosen("serverless", template.is_serverless),
            is_public=body.chosen("public", template.is_public),
            category=body.chosen("category", template.category),
            starts_ssh=body.chosen("start_ssh", template.starts_ssh),
            starts_jupyter=body.chosen("start_jupyter", template.starts_jupyter),
            cuda_versions=tuple(body.chosen("allowed_cuda_versions", template.cuda_versions)),
        ),
    )


def _with_mount(body: CreateTemplate | UpdateTemplate, template: Template) -> Template:
    mount = body.mounts.persistent
    return replace(template, disk_size=mount.size, disk_path=mount.path) if mount else template


def _serverless(template: Template) -> Template:
    if not template.is_serverless:
        message = "$.templateId: must be a serverless template"
        raise unprocessable(message)
    return template


def _merged(body: ContainerBody, other: Container) -> Container:
    return Container(
        image=body.chosen("image", other.image),
        args=body.chosen("args", other.args),
        disk=body.chosen("disk", other.disk),
        env=dict(body.chosen("env", other.env)),
        ports=tuple(body.chosen("ports", other.ports)),
        registry=body.chosen("registry", other.registry),
    )


def _gpu(body: GpuChoice) -> Gpu:
    return Gpu(
        pools=tuple(body.pools),
        excluded=tuple(name.strip() for name in body.excluded_types),
        count=body.count,
        cuda_versions=tuple(body.allowed_cuda_versions),
        least_cuda=body.min_cuda_version,
    )


def _changed_gpu(body: GpuChange, gpu: Gpu) -> Gpu:
    selection = gpu.pools, gpu.excluded
    if "pools" in body.model_fields_set:  # they and the exclusions are one selection
        selection = tuple(body.pools), tuple(name.strip() for name in body.excluded_types)
    pools, excluded = selection
    return Gpu(
        pools=pools,
        excluded=excluded,
        count=body.chosen("count", gpu.count),
        cuda_versions=tuple(body.chosen("allowed_cuda_versions", gpu.cuda_versions)),
        least_cuda=body.chosen("min_cuda_version", gpu.least_cuda),
    )


def _cpus(choices: list[CpuChoice]) -> tuple[Cpu, ...]:
    return tuple(Cpu(choice.id, choice.vcpu_count) for choice in choices)


def _scaling(body: QueueDelay | RequestCount) -> Scaling:
    if isinstance(body, QueueDelay):
        return Scaling(kind="QUEUE_DELAY", value=body.queue_delay)
    return Scaling(kind="REQUEST_COUNT", value=body.request_count)


def _refuse_idle_timeout(body: CreateEndpoint | UpdateEndpoint, scaling: Scaling) -> None:
    if scaling.kind == "REQUEST_COUNT" and "idle_timeout" in body.workers.model_fields_set:
        message = (
            "$.workers.idleTimeout: not applicable to queue-based endpoints scaling on requestCount"
        )
        raise unprocessable(message)
