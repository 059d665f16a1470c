"""Two endpoints, value by value, for a reader: what may be a secret is hidden."""

from dataclasses import dataclass
from typing import Final

from deploy.endpoint import MARK, EndpointSpec, Gpu, Pending
from deploy.secrets import HIDDEN, is_reference, sounds_secret

_NOTHING: Final = "-"
_EMPTY: Final = (None, ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A value that changes.

    Attributes:
        key: as manifests call it, such as `workers.max` or `environment.HF_TOKEN`.
        old: for a reader, without secrets.
        new: the same.

    """

    key: str
    old: str
    new: str


def differences(old: EndpointSpec, new: EndpointSpec) -> tuple[Difference, ...]:
    """Every value that differs, for a reader."""
    before, after = _facts(old), _facts(new)
    keys = [*after, *(key for key in before if key not in after)]
    return tuple(
        Difference(
            key=key,
            old=_shown(key, before.get(key), trusted=key in after),
            new=_shown(key, after.get(key), trusted=True),
        )
        for key in keys
        if before.get(key) != after.get(key)
    )


def told(spec: EndpointSpec) -> list[tuple[str, str]]:
    """Every value that an endpoint has, for a reader."""
    facts = _facts(spec).items()
    return [(key, _shown(key, value, trusted=True)) for key, value in facts if value not in _EMPTY]


def _facts(spec: EndpointSpec) -> dict[str, object]:
    """Everything that can differ, by its key."""
    machines = spec.machines
    facts: dict[str, object] = {
        "image": spec.image,
        "registry": spec.registry,
        "disk_gb": spec.disk_gb,
    }
    if isinstance(machines, Gpu):
        facts |= {
            "gpu.pools": machines.pools,
            "gpu.excluded": tuple(sorted(machines.excluded)),
            "gpu.count": machines.count,
            "gpu.min_cuda": machines.min_cuda,
        }
    else:
        facts["cpu"] = tuple(f"{cpu.flavor} with {cpu.vcpus} vCPUs" for cpu in machines)
    facts |= {
        "models": spec.models,
        "workers.min": spec.workers.least,
        "workers.max": spec.workers.most,
        "workers.idle_seconds": spec.workers.idle_seconds,
        "scaling.type": spec.scaling.type,
        "scaling.value": float(spec.scaling.value),
        "timeout_seconds": spec.timeout_ms / 1000,
        "flashboot": spec.flashboot,
        "data_centers": tuple(sorted(spec.data_centers)),
        "volumes": spec.volumes,
    }
    return facts | {f"environment.{name}": value for name, value in spec.environment.items()}


def _shown(key: str, value: object, *, trusted: bool) -> str:
    """A value for a reader; those of variables that may be secrets are hidden."""
    if value in _EMPTY:
        return _NOTHING
    if isinstance(value, Pending):
        return f"(the id of {value.name})"
    if isinstance(value, tuple):
        return ", ".join(_shown(key, part, trusted=trusted) for part in value)
    if isinstance(value, float):
        return f"{value:g}"
    section, _, name = key.partition(".")
    if section == "environment":
        safe = is_reference(str(value)) or (trusted and not sounds_secret(name)) or name == MARK
        return str(value) if safe else HIDDEN
    return str(value)
