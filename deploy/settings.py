"""The environment of whoever deploys, read once."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self
from urllib.parse import urlsplit

from deploy.errors import KeyMissing, VariableInvalid
from deploy.runpod.wire import RUNPOD_API
from deploy.secrets import Secrets

_SECRET: Final = (
    "RUNPOD_API_KEY",
    "PARLEY_ORCHESTRATOR_KEY",
    "HF_TOKEN",
    "HUGGING_FACE_HUB_TOKEN",
    "BUCKET_ACCESS_KEY_ID",
    "BUCKET_SECRET_ACCESS_KEY",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a deployment is told by variables.

    Attributes:
        api_key: RUNPOD_API_KEY: may do what is done here.
        api_base: RUNPOD_API_BASE: another platform than RunPod, such as the local one.
        endpoint_base: RUNPOD_ENDPOINT_BASE: where jobs are given, where endpoints do not say it.
        registry: IMAGE_REGISTRY: where images are kept, such as `ghcr.io/you`.
        tag: IMAGE_TAG: of published images; without it they are built here.
        hub: HF_ENDPOINT.
        variables: all that there are; secrets among them.

    """

    api_key: str = field(repr=False)
    api_base: str
    endpoint_base: str | None
    registry: str | None
    tag: str | None
    hub: str | None
    variables: Mapping[str, str] = field(repr=False)

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> Self:
        """Read the variables; one that is empty counts as not set.

        Raises:
            KeyMissing: there is no key.
            VariableInvalid: one holds what cannot be.

        """

        def said(name: str) -> str | None:
            return variables.get(name, "").strip() or None

        key = said("RUNPOD_API_KEY")
        if key is None:
            raise KeyMissing
        return cls(
            api_key=key,
            api_base=_address("RUNPOD_API_BASE", said("RUNPOD_API_BASE") or RUNPOD_API),
            endpoint_base=said("RUNPOD_ENDPOINT_BASE"),
            registry=said("IMAGE_REGISTRY"),
            tag=said("IMAGE_TAG"),
            hub=said("HF_ENDPOINT"),
            variables=variables,
        )

    @property
    def secrets(self) -> Secrets:
        """What no output may show."""
        return Secrets.of_environment(self.variables, named=_SECRET).and_of(self.api_key)

    @property
    def is_local(self) -> bool:
        """Whether the platform is on this machine: then nothing outside is asked."""
        host = urlsplit(self.api_base).hostname or ""
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"


def _address(name: str, value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise VariableInvalid(name, reason="is no http(s) address. Leave it out for RunPod.")
    local = parts.hostname in {"localhost", "127.0.0.1", "::1"}
    if parts.scheme == "http" and not local:
        reason = "is http, and the key would be sent in the clear. Give an https address."
        raise VariableInvalid(name, reason=reason)
    return value
