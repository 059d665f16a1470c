"""The management API as a whole, put together."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from aiohttp import web

from emulator.faults import Faults
from emulator.limits import Limits
from emulator.management.account import Account
from emulator.management.billing import Billing
from emulator.management.endpoints import Endpoints, Host
from emulator.management.gate import Gate
from emulator.management.graph import GraphApi
from emulator.management.images import OWN, Images, read_images
from emulator.management.mounts import Mounts
from emulator.management.rest import RestApi
from emulator.management.stock import Stock
from emulator.worker import Life


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What an account's endpoints are run with.

    Args:
        images: what stands for each image.
        store: models in the layout of the hub's cache, as the Model Store would hold them.
        secrets: what `{{ RUNPOD_SECRET_name }}` stands for, by the name.

    """

    images: Images = field(default_factory=lambda: read_images(OWN))
    store: Path | None = None
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


class BilledHost(Host, Protocol):
    """Whoever runs endpoints, and knows for how long."""

    def lives(self) -> Sequence[Life]:
        """Give the workers that have ended, of all endpoints there were."""


class ManagementApi:
    """REST v2 and GraphQL for one account.

    Args:
        host: runs its endpoints.
        setup: with what.
        account: what it has.
        state: a folder for what workers find at /runpod-volume.
        api_key: what callers have to show.
        faults: what goes wrong.
        limits: RunPod's numbers, or others.
        base_url: gives the address of the job API, once it is known.

    """

    def __init__(  # noqa: PLR0913  each is one collaborator
        self,
        host: BilledHost,
        *,
        setup: Setup,
        account: Account,
        state: Path,
        api_key: str,
        faults: Faults,
        limits: Limits,
        base_url: Callable[[], str],
    ) -> None:
        mounts = Mounts(state=state, store=setup.store)
        gate = Gate(api_key=api_key, faults=faults)
        endpoints = Endpoints(
            account,
            host,
            images=setup.images,
            mounts=mounts,
            secrets=setup.secrets,
            faults=faults,
            limits=limits,
        )
        self._rest = RestApi(
            account,
            endpoints,
            mounts=mounts,
            stock=Stock(faults),
            billing=Billing(account, lives=host.lives),
            gate=gate,
            base_url=base_url,
        )
        self._graph = GraphApi(account, endpoints, mounts=mounts, gate=gate, base_url=base_url)

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        return [*self._rest.routes(), *self._graph.routes()]
