"""What the command is told: by flags, the environment and a file, in this order."""

import os
import stat
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import platformdirs

from parley.choices import Choices, ConfigError, Layer, Shape

VARIABLES: Final = {
    "shape": "PARLEY_SHAPE",
    "endpoint": "PARLEY_ENDPOINT",
    "transcription_endpoint": "PARLEY_TRANSCRIPTION_ENDPOINT",
    "diarization_endpoint": "PARLEY_DIARIZATION_ENDPOINT",
    "api_key": "RUNPOD_API_KEY",
    "base_url": "RUNPOD_ENDPOINT_BASE_URL",
}
FLAGS: Final = {
    "shape": "--shape",
    "endpoint": "--endpoint",
    "transcription_endpoint": "--transcription",
    "diarization_endpoint": "--diarization",
    "api_key": "--api-key",
    "base_url": "--base-url",
    "formats": "--format",
    "output_dir": "--output-dir",
    "jobs": "--jobs",
    "timeout": "--timeout",
}
DEFAULTS: Final = Layer(
    "default", Choices(formats=["json", "txt"], output_dir=".", jobs=4, timeout=3600.0)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The endpoints to use, and the key to them.

    Attributes:
        shape: what they are.
        endpoints: their ids; of a split that of the words, then that of the speakers.
        api_key: may use them.
        base_url: where they are, if not on RunPod.

    """

    shape: Shape
    endpoints: tuple[str, ...]
    api_key: str = field(repr=False)
    base_url: str | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """All places, the one that wins first."""

    layers: Sequence[Layer]

    def __getitem__(self, key: str) -> Any:  # noqa: ANN401  a value of `Choices`
        """The value that counts, None where nobody said one."""
        found = (getattr(layer.choices, key) for layer in self.layers)
        return next((value for value in found if value is not None), None)

    def origin(self, key: str) -> str | None:
        """What the value that counts is called where it was said; None where nobody said one."""
        saying = (layer for layer in self.layers if getattr(layer.choices, key) is not None)
        return next((layer.names.get(key, layer.origin) for layer in saying), None)

    @property
    def shape(self) -> Shape | None:
        """The shape that the first place means that names one, or an endpoint.

        Raises:
            ConfigError: that place names endpoints of two shapes, and not which is meant.

        """
        for layer in self.layers:
            said = layer.choices
            half = said.transcription_endpoint or said.diarization_endpoint
            if said.shape:
                return said.shape
            if said.endpoint and half:
                message = (
                    f"{layer.origin} names one endpoint and those of a split. Say which is meant "
                    "by --shape single, orch or split."
                )
                raise ConfigError(message)
            if half:
                return "split"
            if said.endpoint:
                below: Shape | None = self["shape"]
                return below if below == "orch" else "single"
        return None

    @property
    def target(self) -> Target:
        """The endpoints to use.

        Raises:
            ConfigError: an endpoint or the key is missing.

        """
        shape = self.shape
        if shape is None:
            message = (
                "No endpoint is named. Give --endpoint ID, or --transcription ID and "
                "--diarization ID; or set PARLEY_ENDPOINT; or write it into the file that "
                "`parley config` names."
            )
            raise ConfigError(message)
        ids = ("transcription_endpoint", "diarization_endpoint")
        needed = ids if shape == "split" else ("endpoint",)
        missing = [VARIABLES[key] for key in (*needed, "api_key") if self[key] is None]
        if missing:
            message = (
                f"Not set: {', '.join(missing)}. The shape {shape!r} needs it: set the variable, "
                "give the flag, or write it into the file that `parley config` names."
            )
            raise ConfigError(message)
        return Target(
            shape=shape,
            endpoints=tuple(self[key] for key in needed),
            api_key=self["api_key"].get_secret_value(),
            base_url=self["base_url"],
        )


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A TOML file: keys of `Choices`, and tables `[profiles.NAME]` of the same keys."""

    path: Path
    values: Mapping[str, object]

    @classmethod
    def read(cls, path: Path, *, needed: bool) -> Self:
        """Read a file; one that is missing says nothing, unless it is needed.

        Raises:
            ConfigError: it is missing, unreadable, or no TOML.

        """
        try:
            return cls(path, tomllib.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            if not needed:
                return cls(path, {})
            message = f"There is no configuration file {path}."
            raise ConfigError(message) from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            message = f"{path} is no valid TOML: {error}."
            raise ConfigError(message) from None
        except OSError as error:
            message = f"{path} cannot be read: {error.strerror}."
            raise ConfigError(message) from None

    def layers(self, profile: str | None) -> list[Layer]:
        """What the file says, its profile first.

        Raises:
            ConfigError: a key, a value or a profile cannot be.

        """
        profiles = self.values.get("profiles", {})
        if not isinstance(profiles, dict) or not all(
            isinstance(values, dict) for values in profiles.values()
        ):
            message = f"{self.path}: write profiles as tables, [profiles.NAME]."
            raise ConfigError(message)
        above = {key: value for key, value in self.values.items() if key != "profiles"}
        named = {
            name: Layer.read(f"{self.path} [profiles.{name}]", values, strict=True)
            for name, values in profiles.items()
        }
        if profile is not None and profile not in named:
            known = ", ".join(named) or "none"
            message = f"{self.path} has no profile {profile!r}. Its profiles: {known}."
            raise ConfigError(message)
        chosen = [named[profile]] if profile is not None else []
        return [*chosen, Layer.read(str(self.path), above, strict=True)]

    @property
    def exposed(self) -> str | None:
        """A warning where the file holds a key and others may read it."""
        profiles = self.values.get("profiles")
        tables = [self.values, *(profiles.values() if isinstance(profiles, dict) else ())]
        holds = any(isinstance(table, Mapping) and "api_key" in table for table in tables)
        if os.name != "posix" or not holds:
            return None
        if not self.path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            return None
        return f"{self.path} holds a key and others may read it. Do: chmod 600 {self.path}"


def default_path(environment: Mapping[str, str]) -> Path:
    """Where the configuration file is, unless a flag says else."""
    named = environment.get("PARLEY_CONFIG")
    return Path(named) if named else platformdirs.user_config_path("parley") / "config.toml"


def load(
    flags: Mapping[str, object],
    *,
    path: Path | None,
    profile: str | None,
    environment: Mapping[str, str] = os.environ,
) -> tuple[Config, ConfigFile]:
    """Read every place.

    Args:
        flags: what the command line says, by key; None stands for nothing said.
        path: the file to read instead of the usual one.
        profile: the table of the file that goes before the rest of it.
        environment: the variables.

    Raises:
        ConfigError: something that was said cannot be.

    """
    needed = path is not None or bool(environment.get("PARLEY_CONFIG"))
    file = ConfigFile.read(path or default_path(environment), needed=needed)
    said = {key: environment.get(name) for key, name in VARIABLES.items()}
    layers = [
        Layer.read("Command line", flags, names=FLAGS),
        Layer.read("Environment", said, names=VARIABLES),
        *file.layers(profile or environment.get("PARLEY_PROFILE") or None),
        DEFAULTS,
    ]
    return Config(layers), file
