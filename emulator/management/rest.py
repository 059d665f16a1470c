"""REST v2: endpoints, templates, network volumes, registry credentials and the catalog."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from emulator.management import catalog, schemas, views
from emulator.management.account import Account
from emulator.management.billing import Billing
from emulator.management.endpoints import Endpoints
from emulator.management.gate import Gate, read_body
from emulator.management.intake import changed, changed_template, endpoint_from, template_from
from emulator.management.logs import follow
from emulator.management.mounts import Mounts
from emulator.management.problems import misshapen, require
from emulator.management.records import Registry, Volume
from emulator.management.rules import check_container
from emulator.management.stock import Stock

_Body = TypeVar("_Body", bound=BaseModel)
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class RestApi:
    """The routes under /v2 that manage an account.

    Args:
        account: what there is.
        endpoints: run.
        mounts: hold what is on volumes.
        stock: which pools are empty.
        billing: what endpoints cost.
        gate: lets callers in.
        base_url: gives the address of the job API, once it is known.

    """

    def __init__(  # noqa: PLR0913  each is one collaborator
        self,
        account: Account,
        endpoints: Endpoints,
        *,
        mounts: Mounts,
        stock: Stock,
        billing: Billing,
        gate: Gate,
        base_url: Callable[[], str],
    ) -> None:
        self._account = account
        self._endpoints = endpoints
        self._mounts = mounts
        self._stock = stock
        self._billing = billing
        self._gate = gate
        self._base_url = base_url

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        table: tuple[tuple[str, str, str, _Handler], ...] = (
            ("GET", "/v2/serverless", "listEndpoints", self._list_endpoints),
            ("POST", "/v2/serverless", "createEndpoint", self._create_endpoint),
            ("GET", "/v2/serverless/{id}", "getEndpoint", self._get_endpoint),
            ("PATCH", "/v2/serverless/{id}", "updateEndpoint", self._update_endpoint),
            ("DELETE", "/v2/serverless/{id}", "deleteEndpoint", self._delete_endpoint),
            ("GET", "/v2/serverless/{id}/workers", "listEndpointWorkers", self._workers),
            ("GET", "/v2/serverless/{id}/releases", "listEndpointReleases", self._releases),
            ("GET", "/v2/serverless/{id}/workers/{worker}/logs", "getWorkerLogs", self._logs),
            ("GET", "/v2/templates", "listTemplates", self._list_templates),
            ("POST", "/v2/templates", "createTemplate", self._create_template),
            ("GET", "/v2/templates/{id}", "getTemplate", self._get_template),
            ("PATCH", "/v2/templates/{id}", "updateTemplate", self._update_template),
            ("DELETE", "/v2/templates/{id}", "deleteTemplate", self._delete_template),
            ("GET", "/v2/network-volumes", "listNetworkVolumes", self._list_volumes),
            ("POST", "/v2/network-volumes", "createNetworkVolume", self._create_volume),
            ("GET", "/v2/network-volumes/{id}", "getNetworkVolume", self._get_volume),
            ("PATCH", "/v2/network-volumes/{id}", "updateNetworkVolume", self._update_volume),
            ("DELETE", "/v2/network-volumes/{id}", "deleteNetworkVolume", self._delete_volume),
            ("GET", "/v2/registries", "listRegistries", self._list_registries),
            ("POST", "/v2/registries", "createRegistry", self._create_registry),
            ("GET", "/v2/registries/{id}", "getRegistry", self._get_registry),
            ("DELETE", "/v2/registries/{id}", "deleteRegistry", self._delete_registry),
            ("GET", "/v2/catalog/gpus", "listGpuTypes", self._stock.gpus),
            ("GET", "/v2/catalog/gpus/{id}", "getGpuType", self._stock.gpu),
            ("GET", "/v2/catalog/cpus", "listCpuTypes", self._stock.cpus),
            ("GET", "/v2/catalog/cpus/{id}", "getCpuType", self._stock.cpu),
            ("GET", "/v2/catalog/datacenters", "listDataCenters", self._stock.centers),
            ("GET", "/v2/catalog/datacenters/{id}", "getDataCenter", self._stock.center),
            ("GET", "/v2/billing/serverless", "listServerlessBilling", self._billing.serverless),
        )
        return [
            web.route(method, path, self._gate.guarded(operation, handler))
            for method, path, operation, handler in table
        ]

    # --- endpoints

    async def _list_endpoints(self, _request: web.Request) -> web.Response:
        endpoints = [self._facts(endpoint.id) for endpoint in self._account.endpoints.values()]
        return web.json_response({"endpoints": endpoints})

    async def _create_endpoint(self, request: web.Request) -> web.Response:
        body = await _read(request, schemas.CreateEndpoint)
        endpoint = endpoint_from(body, self._account)
        await self._endpoints.create(endpoint, base_url=self._base_url())
        return _created(self._facts(endpoint.id))

    async def _get_endpoint(self, request: web.Request) -> web.Response:
        return web.json_response(self._facts(_id(request)))

    async def _update_endpoint(self, request: web.Request) -> web.Response:
        endpoint = self._account.endpoint(_id(request))
        body = await _read(request, schemas.UpdateEndpoint)
        after = changed(body, endpoint, self._account)
        self._endpoints.update(after, base_url=self._base_url())
        return web.json_response(self._facts(endpoint.id))

    async def _delete_endpoint(self, request: web.Request) -> web.Response:
        self._endpoints.delete(_id(request), with_template=True)
        return _nothing()

    async def _workers(self, request: web.Request) -> web.Response:
        endpoint = self._account.endpoint(_id(request))
        workers = self._endpoints.workers(endpoint.id)
        return web.json_response(views.worker_facts(endpoint, workers))

    async def _releases(self, request: web.Request) -> web.Response:
        endpoint = self._account.endpoint(_id(request))
        workers = self._endpoints.workers(endpoint.id)
        return web.json_response(views.release_facts(endpoint, workers))

    async def _logs(self, request: web.Request) -> web.StreamResponse:
        endpoint = self._account.endpoint(_id(request))
        path = self._endpoints.log(endpoint.id, request.match_info["worker"])
        return await follow(request, path)

    def _facts(self, endpoint_id: str) -> Mapping[str, Any]:
        endpoint = self._account.endpoint(endpoint_id)
        return views.endpoint_facts(endpoint, base_url=self._base_url())

    # --- templates

    async def _list_templates(self, _request: web.Request) -> web.Response:
        templates = [views.template_facts(own) for own in self._account.templates.values()]
        return web.json_response({"templates": templates})

    async def _create_template(self, request: web.Request) -> web.Response:
        template = template_from(await _read(request, schemas.CreateTemplate))
        self._account.require_template_name(template.name)
        check_container(template.container, self._account)
        self._account.templates[template.id] = template
        return _created(views.template_facts(template))

    async def _get_template(self, request: web.Request) -> web.Response:
        return web.json_response(views.template_facts(self._account.template(_id(request))))

    async def _update_template(self, request: web.Request) -> web.Response:
        template = self._account.template(_id(request))
        after = changed_template(await _read(request, schemas.UpdateTemplate), template)
        self._account.require_template_name(after.name, own=after.id)
        check_container(after.container, self._account)
        self._account.templates[after.id] = after
        return web.json_response(views.template_facts(after))

    async def _delete_template(self, request: web.Request) -> web.Response:
        template = self._account.template(_id(request))
        message = "template is bound to a serverless endpoint and cannot be deleted"
        require(message, holds=not template.bound_to)
        del self._account.templates[template.id]
        return _nothing()

    # --- network volumes

    async def _list_volumes(self, _request: web.Request) -> web.Response:
        volumes = [views.volume_facts(volume) for volume in self._account.volumes.values()]
        return web.json_response({"networkVolumes": volumes})

    async def _create_volume(self, request: web.Request) -> web.Response:
        body = await _read(request, schemas.CreateVolume)
        message = f"data center {body.data_center} not found"
        require(message, holds=body.data_center in catalog.DATA_CENTERS)
        volume = Volume(
            name=body.name, size=body.size, data_center=body.data_center, type=body.type
        )
        self._account.volumes[volume.id] = volume
        return _created(views.volume_facts(volume))

    async def _get_volume(self, request: web.Request) -> web.Response:
        return web.json_response(views.volume_facts(self._account.volume(_id(request))))

    async def _update_volume(self, request: web.Request) -> web.Response:
        volume = self._account.volume(_id(request))
        body = await _read(request, schemas.UpdateVolume)
        after = replace(
            volume, name=body.chosen("name", volume.name), size=body.chosen("size", volume.size)
        )
        message = "size must be greater than or equal to the current size"
        require(message, holds=after.size >= volume.size)
        self._account.volumes[volume.id] = after
        return web.json_response(views.volume_facts(after))

    async def _delete_volume(self, request: web.Request) -> web.Response:
        volume = self._account.volume(_id(request))
        used = [own for own in self._account.endpoints.values() if volume.id in own.volumes]
        message = "network volume is in use by a serverless endpoint and cannot be deleted"
        require(message, holds=not used)
        del self._account.volumes[volume.id]
        self._mounts.discard_volume(volume.id)
        return _nothing()

    # --- registry credentials

    async def _list_registries(self, _request: web.Request) -> web.Response:
        registries = [views.registry_facts(own) for own in self._account.registries.values()]
        return web.json_response({"registries": registries})

    async def _create_registry(self, request: web.Request) -> web.Response:
        registry = Registry(name=(await _read(request, schemas.CreateRegistry)).name)
        self._account.registries[registry.id] = registry
        return _created(views.registry_facts(registry))

    async def _get_registry(self, request: web.Request) -> web.Response:
        return web.json_response(views.registry_facts(self._account.registry(_id(request))))

    async def _delete_registry(self, request: web.Request) -> web.Response:
        registry = self._account.registry(_id(request))
        del self._account.registries[registry.id]
        for template in [*self._account.templates.values()]:  # they lose it in silence
            if template.container.registry == registry.id:
                container = replace(template.container, registry=None)
                self._account.templates[template.id] = replace(template, container=container)
        return _nothing()


async def _read(request: web.Request, schema: type[_Body]) -> _Body:
    raw = await read_body(request)
    try:
        return schema.model_validate(raw)
    except ValidationError as error:
        raise misshapen(error) from None


def _id(request: web.Request) -> str:
    return request.match_info["id"]


def _created(facts: Mapping[str, Any]) -> web.Response:
    return web.json_response(facts, status=HTTPStatus.CREATED)


def _nothing() -> web.Response:
    return web.Response(status=HTTPStatus.NO_CONTENT)
