"""From records to what GraphQL answers."""

from typing import Any

from emulator.management.account import Account
from emulator.management.catalog import CPUS
from emulator.management.records import Container, Endpoint, Template, Volume, gpu_ids
from emulator.management.views import moment, number

Facts = dict[str, Any]
USER = "user_local"


def endpoint_facts(endpoint: Endpoint, account: Account) -> Facts:
    """Tell about an endpoint under the names of its type."""
    gpu = endpoint.gpu
    volumes = [account.volumes[volume] for volume in endpoint.volumes]
    flavors = [(cpu, CPUS[cpu.flavor]) for cpu in endpoint.cpu]
    return {
        "id": endpoint.id,
        "name": endpoint.name,
        "type": "QB",
        "userId": USER,
        "aiKey": None,
        "version": endpoint.version,
        "createdAt": moment(endpoint.created),
        "computeType": "GPU" if gpu else "CPU",
        "templateId": endpoint.template_id,
        "template": template_facts(account.templates[endpoint.template_id]),
        "env": _env(endpoint.container),
        "gpuIds": gpu_ids(gpu),
        "gpuCount": gpu.count if gpu else 0,
        "instanceIds": [
            f"{cpu.flavor}-{cpu.vcpus}-{cpu.vcpus * flavor.memory:g}" for cpu, flavor in flavors
        ],
        "workersMin": endpoint.workers_min,
        "workersMax": endpoint.workers_max,
        "workersStandby": 0,
        "idleTimeout": endpoint.idle_timeout,
        "scalerType": endpoint.scaling.kind,
        "scalerValue": number(endpoint.scaling.value),
        "executionTimeoutMs": endpoint.timeout,
        "locations": ",".join(endpoint.data_centers) or None,
        "networkVolumeId": volumes[0].id if volumes else None,
        "networkVolumeIds": [
            {"networkVolumeId": volume.id, "dataCenterId": volume.data_center} for volume in volumes
        ],
        "networkVolume": volume_facts(volumes[0]) if volumes else None,
        "allowedCudaVersions": ",".join(gpu.cuda_versions) if gpu else "",
        "minCudaVersion": (gpu.least_cuda or None) if gpu else None,
        "flashBootType": endpoint.flashboot,
        "compliance": [],
        "modelReferences": list(endpoint.models),
    }


def template_facts(template: Template) -> Facts:
    """Tell about a template under the names of its type."""
    container = template.container
    return {
        "id": template.id,
        "name": template.name,
        "imageName": container.image,
        "dockerArgs": container.args,
        "containerDiskInGb": container.disk,
        "containerRegistryAuthId": container.registry,
        "env": _env(container),
        "ports": ",".join(container.ports),
        "volumeInGb": template.disk_size,
        "volumeMountPath": template.disk_path,
        "isServerless": template.is_serverless,
        "isPublic": template.is_public,
        "boundEndpointId": template.bound_to or None,
        "startSsh": template.starts_ssh,
        "startJupyter": template.starts_jupyter,
        "readme": template.readme,
        "category": template.category,
    }


def volume_facts(volume: Volume) -> Facts:
    """Tell about a network volume under the names of its type."""
    return {
        "id": volume.id,
        "name": volume.name,
        "size": volume.size,
        "dataCenterId": volume.data_center,
    }


def _env(container: Container) -> list[Facts]:
    return [{"key": key, "value": value} for key, value in container.env.items()]
