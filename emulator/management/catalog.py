"""What RunPod offers: pools of GPUs, flavors of CPUs, data centres.

Pools, types and prices of GPUs are those of docs.runpod.io (gpu-types, serverless pricing); the
pool without a price is missing there. The prices of CPUs are not published: here they are the
example of the API's description. Pods are not imitated, and cost nothing. Stock is what a test
says; without faults there is some of everything.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

Region = Literal["NORTH_AMERICA", "EUROPE", "ASIA", "OCEANIA"]
Facts = dict[str, Any]
CUDA_VERSIONS: Final = ("12.4", "12.6", "12.8", "12.9", "13.0")
"""Of the machines here."""


@dataclass(frozen=True, slots=True)
class GpuType:
    """One model of a GPU; memory is in GB."""

    id: str
    pool: str
    memory: int

    @property
    def name(self) -> str:
        return self.id.removeprefix("NVIDIA ").removeprefix("GeForce ")


@dataclass(frozen=True, slots=True)
class CpuFlavor:
    """One kind of CPU; memory and disk are in GB for each vCPU."""

    id: str
    name: str
    group: str
    memory: float
    disk: int
    """At most; docs name that of cpu3c, cpu3g and cpu5c, and cpu5g is taken to be like the last."""
    least: int = 2
    most: int = 32


@dataclass(frozen=True, slots=True)
class DataCenter:
    """One place, with the generations of CPUs that it has (docs.runpod.io, cpu-types)."""

    id: str
    region: Region
    cpu_groups: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.id.replace("-", " ")


_POOLS: Final[Mapping[str, tuple[float | None, int, tuple[str, ...]]]] = {
    "AMPERE_16": (
        0.58,
        16,
        (
            "NVIDIA RTX A4000",
            "NVIDIA RTX A4500",
            "NVIDIA RTX 4000 Ada Generation",
            "NVIDIA RTX 2000 Ada Generation",
        ),
    ),
    "AMPERE_24": (0.68, 24, ("NVIDIA L4", "NVIDIA RTX A5000", "NVIDIA GeForce RTX 3090")),
    "ADA_24": (1.12, 24, ("NVIDIA GeForce RTX 4090",)),
    "ADA_32_PRO": (None, 32, ("NVIDIA GeForce RTX 5090",)),
    "AMPERE_48": (1.22, 48, ("NVIDIA A40", "NVIDIA RTX A6000")),
    "ADA_48_PRO": (1.91, 48, ("NVIDIA L40", "NVIDIA L40S", "NVIDIA RTX 6000 Ada Generation")),
    "AMPERE_80": (2.74, 80, ("NVIDIA A100 80GB PCIe", "NVIDIA A100-SXM4-80GB")),
    "ADA_80_PRO": (4.18, 80, ("NVIDIA H100 PCIe", "NVIDIA H100 80GB HBM3", "NVIDIA H100 NVL")),
    "BLACKWELL_96": (4.00, 96, ("NVIDIA RTX PRO 6000 Blackwell Server Edition",)),
    "HOPPER_141": (5.58, 141, ("NVIDIA H200",)),
    "BLACKWELL_180": (8.64, 180, ("NVIDIA B200",)),
}
"""Dollars an hour, GB, types."""

GPUS: Final = tuple(
    GpuType(name, pool, memory) for pool, (_, memory, names) in _POOLS.items() for name in names
)
POOLS: Final = tuple(_POOLS)
CPUS: Final = {
    flavor.id: flavor
    for flavor in (
        CpuFlavor("cpu3c", "Compute-Optimized", "Gen 3", 2, 10),
        CpuFlavor("cpu3g", "General Purpose", "Gen 3", 4, 10),
        CpuFlavor("cpu5c", "Compute-Optimized", "Gen 5", 2, 15),
        CpuFlavor("cpu5g", "General Purpose", "Gen 5", 4, 15),
    )
}
DATA_CENTERS: Final = {
    center.id: center
    for center in (
        *(
            DataCenter(name, "EUROPE", groups)
            for name, groups in (
                ("EU-CZ-1", ("Gen 3",)),
                ("EU-FR-1", ()),
                ("EU-NL-1", ()),
                ("EU-RO-1", ("Gen 3", "Gen 5")),
                ("EU-SE-1", ()),
                ("EUR-IS-1", ()),
                ("EUR-IS-2", ()),
                ("EUR-NO-1", ()),
            )
        ),
        *(
            DataCenter(name, "NORTH_AMERICA", groups)
            for name, groups in (
                ("CA-MTL-1", ()),
                ("CA-MTL-3", ()),
                ("US-CA-2", ("Gen 3",)),
                ("US-IL-1", ("Gen 3",)),
                ("US-KS-2", ("Gen 3",)),
                ("US-MO-1", ("Gen 3",)),
                ("US-MO-2", ("Gen 3",)),
                ("US-NC-1", ()),
                ("US-NC-2", ("Gen 3",)),
                ("US-NE-1", ("Gen 3",)),
                ("US-TX-3", ()),
                ("US-WA-1", ("Gen 3",)),
            )
        ),
        DataCenter("AP-JP-1", "ASIA"),
        DataCenter("OC-AU-1", "OCEANIA"),
    )
}
_VCPU_PRICE: Final = 0.03


def gpu_price(pool: str) -> float | None:
    """Dollars an hour of one GPU, where that is published."""
    return _POOLS[pool][0]


def cpu_price() -> float:
    """Dollars an hour of one vCPU, of any flavor."""
    return _VCPU_PRICE


def types_in(pools: Collection[str]) -> list[str]:
    """Give the ids of the GPU types of some pools."""
    return [gpu.id for gpu in GPUS if gpu.pool in pools]


def gpu_facts(gpu: GpuType, *, empty: Collection[str] | None) -> Facts:
    """Tell about a GPU type as the API does.

    Args:
        gpu: which one.
        empty: pools without stock; None leaves the stock out.

    """
    price, _, _ = _POOLS[gpu.pool]
    facts: Facts = {
        "id": gpu.id,
        "name": gpu.name,
        "pool": gpu.pool,
        "manufacturer": "NVIDIA",
        "memory": gpu.memory,
        "secure": True,
        "community": False,
        "price": {"secure": 0, "community": 0} | ({"serverless": price} if price else {}),
        "maxCount": {"secure": 8, "community": 0},
    }
    if empty is None:
        return facts
    is_empty = gpu.pool in empty
    facts["availability"] = "NONE" if is_empty else "HIGH"
    versions = [{"version": version, "available": not is_empty} for version in CUDA_VERSIONS]
    facts["cudaVersions"] = versions
    if not is_empty:
        facts["dataCenters"] = _places(tuple(DATA_CENTERS.values()))
    return facts


def cpu_facts(flavor: CpuFlavor, *, with_stock: bool) -> Facts:
    """Tell about a CPU flavor as the API does."""
    facts: Facts = {
        "id": flavor.id,
        "name": flavor.name,
        "group": flavor.group,
        "vcpu": {"min": flavor.least, "max": flavor.most},
        "ramGbPerVcpu": flavor.memory,
        "price": {"securePerVcpu": _VCPU_PRICE, "serverlessPerVcpu": _VCPU_PRICE},
    }
    if with_stock:
        places = [c for c in DATA_CENTERS.values() if flavor.group in c.cpu_groups]
        facts |= {"availability": "HIGH", "dataCenters": _places(places)}
    return facts


def center_facts(center: DataCenter, *, include: Collection[str], empty: Collection[str]) -> Facts:
    """Tell about a data centre as the API does.

    Args:
        center: which one.
        include: GPU_AVAILABILITY, CPU_AVAILABILITY, or none of them.
        empty: pools without stock.

    """
    facts: Facts = {
        "id": center.id,
        "name": center.name,
        "region": center.region,
        "globalNetwork": False,
        "networkVolumeTypes": ["STANDARD"],
        "compliance": [],
    }
    if "GPU_AVAILABILITY" in include:
        facts["gpuAvailability"] = [
            _stock(gpu.id, gpu.name, is_empty=gpu.pool in empty) for gpu in GPUS
        ]
    flavors = [flavor for flavor in CPUS.values() if flavor.group in center.cpu_groups]
    if "CPU_AVAILABILITY" in include and flavors:
        facts["cpuAvailability"] = [
            _stock(flavor.id, flavor.name, is_empty=False) for flavor in flavors
        ]
    return facts


def _places(centers: Sequence[DataCenter]) -> list[Facts]:
    return [_stock(center.id, center.name, is_empty=False) for center in centers]


def _stock(identifier: str, name: str, *, is_empty: bool) -> Facts:
    return {"id": identifier, "name": name, "availability": "NONE" if is_empty else "HIGH"}
