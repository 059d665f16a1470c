"""Endpoints that are created, changed and deleted, and then really run or end."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final, Protocol

from emulator.faults import Faults
from emulator.limits import Limits
from emulator.management.account import Account
from emulator.management.images import VOLUME, Images
from emulator.management.mounts import Mounts
from emulator.management.records import Endpoint, Template, new_id
from emulator.management.rules import check
from emulator.manifest import EndpointSpec
from emulator.worker import WorkerView

_SECRET: Final = re.compile(r"\{\{\s*RUNPOD_SECRET_(\w+)\s*\}\}")


class Host(Protocol):
    """Whoever runs endpoints."""

    async def open(self, spec: EndpointSpec, settings: Mapping[str, str]) -> None:
        """Run an endpoint whose workers have these settings."""

    def change(self, spec: EndpointSpec, settings: Mapping[str, str], *, version: int) -> None:
        """Run it in another way; workers of other versions are replaced."""

    def close(self, endpoint: str) -> None:
        """Let it go."""

    def workers(self, endpoint: str) -> tuple[WorkerView, ...]:
        """Give its workers."""

    def log(self, endpoint: str, worker: str) -> Path | None:
        """Give the log of one of its workers; None where there is none."""

    def connection(self, endpoint: str) -> tuple[str, ...]:
        """Name the variables that connect its workers."""


class Endpoints:
    """The endpoints of an account.

    Args:
        account: has them.
        host: runs them.
        images: what their workers run.
        mounts: what their workers find at /runpod-volume.
        secrets: what `{{ RUNPOD_SECRET_name }}` in their environment stands for, by the name.
        faults: say which pools are empty.
        limits: bound how long a job may run that has no timeout.

    """

    def __init__(  # noqa: PLR0913  each is one collaborator
        self,
        account: Account,
        host: Host,
        *,
        images: Images,
        mounts: Mounts,
        secrets: Mapping[str, str],
        faults: Faults,
        limits: Limits,
    ) -> None:
        self._account = account
        self._host = host
        self._images = images
        self._mounts = mounts
        self._secrets = secrets
        self._faults = faults
        self._limits = limits
        self._creating = asyncio.Lock()

    async def create(
        self, endpoint: Endpoint, *, base_url: str, template: Template | None = None
    ) -> Endpoint:
        """Add an endpoint and its template, and run it.

        Args:
            endpoint: as it is to be.
            base_url: where its workers find the other endpoints.
            template: to bind to it; without one, it gets one of its own.

        Raises:
            Problem: it cannot be (400).

        """
        # a caller that hangs up does not undo what it began
        return await asyncio.shield(
            asyncio.ensure_future(self._create(endpoint, base_url=base_url, template=template))
        )

    async def _create(
        self, endpoint: Endpoint, *, base_url: str, template: Template | None
    ) -> Endpoint:
        async with self._creating:
            check(endpoint, self._account, is_empty=self._is_empty)
            await self._host.open(*self._plan(endpoint, base_url=base_url))
            self._account.endpoints[endpoint.id] = endpoint
        own = Template(
            id=endpoint.template_id,
            name=f"{endpoint.name}__template__{new_id()[:7]}",
            container=endpoint.container,
            is_serverless=True,
        )
        bound = replace(template or own, bound_to=endpoint.id)
        self._account.templates[bound.id] = bound
        return endpoint

    def update(self, endpoint: Endpoint, *, base_url: str) -> Endpoint:
        """Run an endpoint in another way, and let its template say so.

        Raises:
            Problem: it cannot be (400), or there is none (404).

        """
        before = self._account.endpoint(endpoint.id)
        is_empty = self._is_empty if endpoint.gpu != before.gpu else _never
        check(endpoint, self._account, is_empty=is_empty)
        after = endpoint.released(before)
        self._account.endpoints[after.id] = after
        template = self._account.templates[after.template_id]
        self._account.templates[template.id] = replace(
            template, container=after.container, bound_to=after.id
        )
        if before.template_id != after.template_id:
            old = self._account.templates[before.template_id]
            self._account.templates[old.id] = replace(old, bound_to="")
        plan = self._plan(after, base_url=base_url)
        self._host.change(*plan, version=after.version)
        return after

    def delete(self, endpoint_id: str, *, with_template: bool) -> None:
        """Let an endpoint go; its template goes too, or is free again.

        Raises:
            Problem: there is none (404).

        """
        endpoint = self._account.endpoint(endpoint_id)
        del self._account.endpoints[endpoint_id]
        template = self._account.templates.pop(endpoint.template_id)
        if not with_template:
            self._account.templates[template.id] = replace(template, bound_to="")
        self._host.close(endpoint_id)
        self._mounts.discard(endpoint_id)

    def workers(self, endpoint_id: str) -> tuple[WorkerView, ...]:
        return self._host.workers(endpoint_id)

    def log(self, endpoint_id: str, worker: str) -> Path | None:
        return self._host.log(endpoint_id, worker)

    def _is_empty(self, pool: str) -> bool:
        return self._faults.take("empty_pool", pool) is not None

    def _plan(self, endpoint: Endpoint, *, base_url: str) -> tuple[EndpointSpec, dict[str, str]]:
        """Tell what its workers run, and with which settings."""
        container, image = endpoint.container, self._images.find(endpoint.container.image)
        mount = self._mounts.prepare(
            endpoint.id, volumes=endpoint.volumes, references=endpoint.models
        )
        # on RunPod the other endpoints are where every client looks by itself
        settings = {"RUNPOD_ENDPOINT_BASE_URL": base_url, **image.environment, **container.env}
        settings = {name: self._revealed(value) for name, value in settings.items()}
        if not image.has_own_files:
            settings = {name: _moved(value, mount) for name, value in settings.items()}
        variables = {*settings, *self._host.connection(endpoint.id)}
        words = image.words(container.image, container.args, mount=mount, variables=variables)
        longest = self._limits.longest_execution_timeout
        spec = EndpointSpec(
            id=endpoint.id,
            command=tuple(words),
            workers_min=endpoint.workers_min,
            workers_max=endpoint.workers_max,
            idle_seconds=endpoint.idle_timeout,
            scaling=endpoint.scaling,
            execution_timeout_seconds=endpoint.timeout / 1000 or longest,
        )
        return spec, settings

    def _revealed(self, value: str) -> str:
        return _SECRET.sub(lambda found: self._secrets.get(found[1], found[0]), value)


def _never(_pool: str) -> bool:
    return False


def _moved(value: str, mount: Path) -> str:
    """Lead a path to the folder that stands for /runpod-volume."""
    is_inside = value == VOLUME or value.startswith(VOLUME + "/")
    return f"{mount}{value.removeprefix(VOLUME)}" if is_inside else value
