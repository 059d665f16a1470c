"""Which endpoints there are, and how many workers each may have."""

import difflib
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, Self, get_args

ScalingKind = Literal["QUEUE_DELAY", "REQUEST_COUNT"]
SHAPES: Final = Path(__file__).parent / "shapes"
"""The manifests of this repository: single.toml, split.toml, orch.toml."""

_ID: Final = re.compile(r"[A-Za-z0-9]+(-[A-Za-z0-9]+)*")
_PLACEHOLDER: Final = re.compile(r"\$\{([^}]*)\}")
_PLACEHOLDERS: Final = ("PLATFORM_URL", "API_KEY")
_MANIFEST: Final = {"endpoints": list, "workers_quota": int}
_SCALING: Final = {"kind": str, "value": float}
_ENDPOINT: Final = {
    "id": str,
    "command": list,
    "environment": dict,
    "workers_min": int,
    "workers_max": int,
    "idle_seconds": float,
    "scaling": dict,
    "execution_timeout_seconds": float,
}
_WANTED: Final = {
    str: "Give a text, in quotes.",
    list: "Give a list.",
    dict: "Give a table.",
    int: "Give a whole number.",
    float: "Give a number.",
}
_ID_ADVICE: Final = "Use letters, digits and single hyphens."
_COMMAND_ADVICE: Final = 'Give for instance ["{python}", "-m", "handlers.single"].'
_PLACEHOLDER_ADVICE: Final = "Only ${PLATFORM_URL} and ${API_KEY} are filled in."
_POSITIVE: Final = "Give more than 0."


class ManifestError(ValueError):
    """A manifest cannot be used; the message says where, why, and what to do.

    Args:
        at: the key, with those around it.
        problem: what is wrong with it, as the end of a sentence.
        advice: what to do.

    """

    def __init__(self, *, at: str, problem: str, advice: str) -> None:
        super().__init__(f"{at} {problem}. {advice}")
        self.at, self.problem, self.advice = at, problem, advice

    def inside(self, around: str) -> Self:
        """Give the same error with what is around the key."""
        return type(self)(at=f"{around}{self.at}", problem=self.problem, advice=self.advice)


def _require(at: str, value: object, *, holds: bool, advice: str) -> None:
    if not holds:
        raise ManifestError(at=at, problem=f"is {value!r}", advice=advice)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """When there are more workers: see `emulator.scaling`.

    Args:
        kind: how RunPod calls it.
        value: seconds in the queue for QUEUE_DELAY, jobs a worker for REQUEST_COUNT.

    """

    kind: ScalingKind = "QUEUE_DELAY"
    value: float = 4.0

    def __post_init__(self) -> None:
        kinds = get_args(ScalingKind)
        advice = f"Choose {' or '.join(kinds)}."
        _require("scaling.kind", self.kind, holds=self.kind in kinds, advice=advice)
        _require("scaling.value", self.value, holds=self.value > 0, advice=_POSITIVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointSpec:
    """One endpoint, with RunPod's defaults.

    Args:
        id: its name in URLs.
        command: what a worker's process runs; the word `{python}` is this Python.
        environment: the worker's settings; `${PLATFORM_URL}` and `${API_KEY}` are known when the
            platform runs.
        workers_min: how many workers are kept when there is nothing to do.
        workers_max: how many there are at most.
        idle_seconds: how long a worker above the minimum waits for a job before it is stopped.
        scaling: when there are more.
        execution_timeout_seconds: how long a job may run where it does not say so itself.

    """

    id: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    workers_min: int = 0
    workers_max: int = 3
    idle_seconds: float = 5.0
    scaling: Scaling = Scaling()
    execution_timeout_seconds: float = 600.0

    def __post_init__(self) -> None:
        _require("id", self.id, holds=bool(_ID.fullmatch(self.id)), advice=_ID_ADVICE)
        _require("command", self.command, holds=bool(self.command), advice=_COMMAND_ADVICE)
        most, least = self.workers_max, self.workers_min
        _require("workers_max", most, holds=most >= 0, advice="Give 0 or more.")
        advice = f"Give 0 to workers_max, which is {most}."
        _require("workers_min", least, holds=0 <= least <= most, advice=advice)
        idle, longest = self.idle_seconds, self.execution_timeout_seconds
        _require("idle_seconds", idle, holds=idle >= 0, advice="Give 0 or more.")
        _require("execution_timeout_seconds", longest, holds=longest > 0, advice=_POSITIVE)
        for name, value in self.environment.items():
            known = set(_PLACEHOLDER.findall(value)).issubset(_PLACEHOLDERS)
            _require(f"environment.{name}", value, holds=known, advice=_PLACEHOLDER_ADVICE)

    def arguments(self) -> tuple[str, ...]:
        """Give the command with the Python that runs this."""
        return tuple(sys.executable if word == "{python}" else word for word in self.command)

    def settings(self, *, platform_url: str, api_key: str) -> dict[str, str]:
        """Give the environment with what is known once the platform runs."""
        known = dict(zip(_PLACEHOLDERS, (platform_url, api_key), strict=True))
        return {
            name: _PLACEHOLDER.sub(lambda found: known[found[1]], value)
            for name, value in self.environment.items()
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The endpoints of one account.

    RunPod refuses to create an endpoint when the maxima of all of them exceed the account's quota
    of workers, which is 5 for a new account.
    """

    endpoints: tuple[EndpointSpec, ...] = ()
    workers_quota: int = 5

    def __post_init__(self) -> None:
        ids = Counter(spec.id for spec in self.endpoints)
        for name, count in ids.items():
            _require("id", name, holds=count == 1, advice="Give each endpoint an id of its own.")
        most = sum(spec.workers_max for spec in self.endpoints)
        if most > self.workers_quota:
            problem = (
                f"across all endpoints must not exceed your workers quota ({self.workers_quota})"
            )
            raise ManifestError(
                at="Max workers",
                problem=f"{problem}; the sum of workers_max is {most}",
                advice="Lower workers_max, or raise workers_quota as a higher balance does.",
            )


def read_manifest(path: Path) -> Manifest:
    """Read a manifest in TOML.

    Raises:
        ManifestError: it cannot be read, or a key or a value in it is wrong.

    """
    at = str(path)
    try:
        return _manifest(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        problem, advice = f"cannot be read: {error.strerror}", "Give the path of a manifest."
        raise ManifestError(at=at, problem=problem, advice=advice) from error
    except ValueError as error:
        if isinstance(error, ManifestError):
            raise error.inside(at + ": ") from error
        advice = "Write it as emulator/shapes/single.toml."
        raise ManifestError(at=at, problem=f"is not TOML: {error}", advice=advice) from error


def _manifest(raw: Mapping[str, Any]) -> Manifest:
    values = _checked(raw, _MANIFEST)
    specs = []
    for place, table in enumerate(values.pop("endpoints", ())):
        try:
            specs.append(_endpoint(table))
        except ManifestError as error:
            where = f"endpoints[{place}]."
            raise error.inside(where) from error
    advice = "Add an [[endpoints]] table."
    _require("endpoints", specs, holds=bool(specs), advice=advice)
    return Manifest(endpoints=tuple(specs), **values)


def _endpoint(raw: object) -> EndpointSpec:
    if not isinstance(raw, dict):
        raise ManifestError(at="id", problem="is missing", advice="Give a table, [[endpoints]].")
    values = _checked(raw, _ENDPOINT)
    for needed in ("id", "command"):
        if needed not in values:
            raise ManifestError(at=needed, problem="is missing", advice="Add it.")
    for word in values["command"]:
        _require("command", word, holds=isinstance(word, str), advice=_WANTED[str])
    for name, text in values.get("environment", {}).items():
        _require(f"environment.{name}", text, holds=isinstance(text, str), advice=_WANTED[str])
    values["command"] = tuple(values["command"])
    if "scaling" in values:
        values["scaling"] = Scaling(**_checked(values["scaling"], _SCALING, around="scaling."))
    return EndpointSpec(**values)


def _checked(
    raw: Mapping[str, Any], types: Mapping[str, type], *, around: str = ""
) -> dict[str, Any]:
    """Give the values of a table whose keys and types are right."""
    for key, value in raw.items():
        if key not in types:
            near = difflib.get_close_matches(key, types, n=1)
            advice = f"Did you mean {near[0]}?" if near else f"Known are {', '.join(types)}."
            raise ManifestError(at=f"{around}{key}", problem="is unknown", advice=advice)
        accepted = (int, float) if types[key] is float else types[key]
        fits = isinstance(value, accepted) and not isinstance(value, bool)
        _require(f"{around}{key}", value, holds=fits, advice=_WANTED[types[key]])
    return dict(raw)
