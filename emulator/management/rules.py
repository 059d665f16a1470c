"""What the description of the API tells in words: rules about an endpoint as a whole.

All of them are answered 400. Which texts are RunPod's own is told in docs/emulator.md.
"""

import shlex
from collections.abc import Callable
from typing import Final

from emulator.management import catalog
from emulator.management.account import Account
from emulator.management.problems import Problem, bad, require
from emulator.management.records import Container, Cpu, Endpoint, Gpu

_NO_CAPACITY: Final = (
    "There are no longer any instances available with the requested specifications. "
    "Please refresh and try again."
)
"""RunPod's own words, for want of stock and for places without it alike."""


def check(endpoint: Endpoint, account: Account, *, is_empty: Callable[[str], bool]) -> None:
    """See that an endpoint can be as it is said to be.

    Args:
        endpoint: as it is to be.
        account: what else there is.
        is_empty: tells whether a pool has no GPU left.

    Raises:
        Problem: it cannot (400).

    """
    message = "workers.min must not be greater than workers.max"
    require(message, holds=endpoint.workers_min <= endpoint.workers_max)
    require("timeout must not be negative", holds=endpoint.timeout >= 0)
    check_container(endpoint.container, account)
    _check_places(endpoint, account)
    for choice in endpoint.cpu:
        _check_cpu(choice, disk=endpoint.container.disk)
    if endpoint.cpu:
        has_stock = any(_has_stock(choice, endpoint) for choice in endpoint.cpu)
        require(_NO_CAPACITY, holds=has_stock)
    account.require_room(endpoint)
    if endpoint.gpu:
        _check_gpu(endpoint.gpu, is_empty=is_empty)


def check_container(container: Container, account: Account) -> None:
    """See that a container can be started.

    Raises:
        Problem: it cannot (400).

    """
    require("image must not be empty", holds=bool(container.image))
    is_known = container.registry is None or container.registry in account.registries
    require("registry not found", holds=is_known)
    texts = (container.image, container.args, *container.env, *container.env.values())
    is_plain = all("\0" not in text for text in texts)
    is_named = all(name and "=" not in name for name in container.env)
    message = "image, args and env must be what a process can be started with"
    require(message, holds=is_plain and is_named)
    try:
        shlex.split(container.args)
    except ValueError:
        message = "args must be what a shell can read"
        raise bad(message) from None


def refuse_both_or_neither(*, gpu: bool, cpu: bool) -> None:
    """See that exactly one kind of compute is asked for.

    Raises:
        Problem: it is not (400).

    """
    require("exactly one of gpu or cpu must be set", holds=gpu != cpu)


def gpu_is_required() -> Problem:
    """Tell that GraphQL wants GPUs where it is given no CPUs, in RunPod's own words."""
    return bad("gpuId(s) is required for a gpu endpoint")


def _check_places(endpoint: Endpoint, account: Account) -> None:
    for name in endpoint.data_centers:
        require(f"data center {name} not found", holds=name in catalog.DATA_CENTERS)
    for volume in endpoint.volumes:
        require(f"network volume {volume} not found", holds=volume in account.volumes)
    centers = [account.volumes[volume].data_center for volume in endpoint.volumes]
    message = "an endpoint has one network volume in each data center"
    require(message, holds=len(set(centers)) == len(centers))
    message = "network volumes must be in one of dataCenterIds"
    is_near = not endpoint.data_centers or set(centers) <= set(endpoint.data_centers)
    require(message, holds=is_near)


def _check_gpu(gpu: Gpu, *, is_empty: Callable[[str], bool]) -> None:
    for pool in gpu.pools:
        require(f"GPU pool {pool} not found", holds=pool in catalog.POOLS)
    types = catalog.types_in(gpu.pools)
    for name in gpu.excluded:
        message = f"excludedTypes: {name} is not a GPU type of the selected pools"
        require(message, holds=name in types)
    message = "excludedTypes must leave at least one GPU type"
    require(message, holds=not set(types) <= set(gpu.excluded))
    message = "allowedCudaVersions and minCudaVersion are mutually exclusive"
    require(message, holds=not (gpu.cuda_versions and gpu.least_cuda))
    left = [pool for pool in gpu.pools if not is_empty(pool)]
    require(_NO_CAPACITY, holds=bool(left) and _fits_cuda(gpu))


def _fits_cuda(gpu: Gpu) -> bool:
    least = _version(gpu.least_cuda or "0.0")
    return any(
        version in gpu.cuda_versions if gpu.cuda_versions else _version(version) >= least
        for version in catalog.CUDA_VERSIONS
    )


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


def _check_cpu(choice: Cpu, *, disk: int) -> None:
    require(f"CPU flavor {choice.flavor} not found", holds=choice.flavor in catalog.CPUS)
    flavor, count = catalog.CPUS[choice.flavor], choice.vcpus
    message = f"vcpuCount must be a power of two up to {flavor.most} for {flavor.id}"
    require(message, holds=count.bit_count() == 1 and count <= flavor.most)
    message = f"disk must be at most {flavor.disk * count} GB for {flavor.id} with {count} vCPU"
    require(message, holds=disk <= flavor.disk * count)


def _has_stock(choice: Cpu, endpoint: Endpoint) -> bool:
    group = catalog.CPUS[choice.flavor].group
    centers = endpoint.data_centers or tuple(catalog.DATA_CENTERS)
    return any(group in catalog.DATA_CENTERS[name].cpu_groups for name in centers)
