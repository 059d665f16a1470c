"""An account of RunPod."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Final, TypeVar
from urllib.parse import quote

from deploy.endpoint import Deployed, EndpointSpec, State, Template, Volume, VolumeSpec
from deploy.errors import AnswerInvalid, NoCapacity, RequestRefused
from deploy.platform import Offer, WorkerCounts
from deploy.runpod import bodies
from deploy.runpod.wire import Wire

T = TypeVar("T")

_GONE: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
_FULL: Final = "no longer any instances available"


class RunPod:
    """Speaks `deploy.platform.Platform`."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def read(self) -> State:
        what = "read the account"
        account = await self._account(what=what)
        endpoints = await self._wire.get("serverless", what=what)
        volumes = await self._wire.get("network-volumes", what=what)

        def state() -> State:
            models = {
                one["id"]: one.get("modelReferences") or [] for one in account["endpoints"] or []
            }
            return State(
                endpoints=tuple(
                    bodies.deployed(one, models=models.get(one["id"], ()))
                    for one in endpoints["endpoints"]
                ),
                volumes=tuple(bodies.volume(one) for one in volumes["networkVolumes"]),
                quota=account.get("maxServerlessConcurrency"),
            )

        found = _understood(state, what=what)
        for one in found.endpoints:  # what RunPod says later may repeat them
            self._wire.hide_too(one.spec.environment)
        return found

    async def create_endpoint(self, spec: EndpointSpec) -> Deployed:
        what = f"create the endpoint {spec.name}"
        body = bodies.create_body(spec)
        try:
            answer = await self._wire.send(
                "POST", "serverless", what=what, body=body, repeatable=False
            )
        except RequestRefused as error:
            raise _capacity(error, spec) from None
        return _understood(lambda: bodies.deployed(answer), what=what)

    async def update_endpoint(
        self, existing: Deployed, spec: EndpointSpec, *, keys: Collection[str]
    ) -> None:
        what = f"change the endpoint {spec.name}"
        try:
            await self._patch(existing, bodies.update_body(spec, keys), what=what)
        except RequestRefused as error:
            raise _capacity(error, spec) from None

    async def set_workers(self, existing: Deployed, *, least: int) -> None:
        # RunPod lowers the maximum of what nobody used for days, to 0 in the end
        workers = existing.spec.workers
        body = bodies.workers_body(replace(workers, least=least, most=max(workers.most, least)))
        what = f"keep {least} workers of {existing.spec.name}"
        await self._patch(existing, {"workers": body}, what=what)

    async def set_models(
        self, existing: Deployed, models: Sequence[str], *, least_workers: int
    ) -> None:
        what = f"set the cached models of {existing.spec.name}"
        account = await self._account(what=what)
        snapshot = next(
            (one for one in account["endpoints"] or [] if one.get("id") == existing.id), None
        )
        if snapshot is None:
            raise AnswerInvalid(what=what, reason=f"GraphQL does not know {existing.id}")
        told = _understood(
            lambda: bodies.save_input(snapshot, models=models, least_workers=least_workers),
            what=what,
        )
        await self._wire.graphql(bodies.SAVE, {"input": told}, what=what)

    async def delete_endpoint(self, endpoint: str) -> None:
        await self._delete(f"serverless/{_part(endpoint)}", what=f"delete {endpoint}")

    async def workers(self, endpoint: str) -> WorkerCounts:
        what = f"count the workers of {endpoint}"
        answer = await self._wire.get(f"serverless/{_part(endpoint)}/workers", what=what)
        return _understood(lambda: bodies.worker_counts(answer), what=what)

    async def create_volume(self, spec: VolumeSpec) -> Volume:
        what = f"create the network volume {spec.name}"
        answer = await self._wire.send(
            "POST", "network-volumes", what=what, body=bodies.volume_body(spec), repeatable=False
        )
        return _understood(lambda: bodies.volume(answer), what=what)

    async def grow_volume(self, volume: Volume, *, size_gb: int) -> None:
        await self._wire.send(
            "PATCH",
            f"network-volumes/{_part(volume.id)}",
            what=f"grow the network volume {volume.spec.name}",
            body={"size": size_gb},
        )

    async def delete_volume(self, volume: str) -> None:
        await self._delete(f"network-volumes/{_part(volume)}", what=f"delete the volume {volume}")

    async def templates(self) -> tuple[Template, ...]:
        what = "read the templates"
        answer = await self._wire.get("templates", what=what)
        return _understood(
            lambda: tuple(bodies.template(one) for one in answer["templates"]), what=what
        )

    async def delete_template(self, template: str) -> None:
        await self._delete(f"templates/{_part(template)}", what=f"delete the template {template}")

    async def gpu_offers(self, *, min_cuda: str | None, count: int) -> Mapping[str, Offer]:
        what = "read which GPUs are free"
        query = {"include": "AVAILABILITY", "product": "SERVERLESS", "count": str(count)}
        if min_cuda:
            query["minCudaVersion"] = min_cuda
        answer = await self._wire.get("catalog/gpus", what=what, query=query)
        return _understood(lambda: bodies.gpu_offers(answer), what=what)

    async def cpu_offers(self, *, vcpus: int) -> Mapping[str, Offer]:
        what = "read which CPUs are free"
        query = {"include": "AVAILABILITY", "product": "SERVERLESS", "vcpuCount": str(vcpus)}
        answer = await self._wire.get("catalog/cpus", what=what, query=query)
        return _understood(lambda: bodies.cpu_offers(answer), what=what)

    async def data_centers(self) -> frozenset[str]:
        what = "read which data centers there are"
        answer = await self._wire.get("catalog/datacenters", what=what)
        return _understood(
            lambda: frozenset(str(one["id"]) for one in answer["dataCenters"]), what=what
        )

    async def _account(self, *, what: str) -> dict[str, Any]:
        data = await self._wire.graphql(bodies.ACCOUNT, {}, what=what)
        myself = data.get("myself")
        if not isinstance(myself, dict):
            raise AnswerInvalid(what=what, reason="GraphQL does not say whose key this is")
        return {"endpoints": [], **myself}

    async def _patch(self, existing: Deployed, body: Mapping[str, Any], *, what: str) -> None:
        await self._wire.send("PATCH", f"serverless/{_part(existing.id)}", what=what, body=body)

    async def _delete(self, path: str, *, what: str) -> None:
        try:
            await self._wire.send("DELETE", path, what=what)
        except RequestRefused as error:
            if error.http not in _GONE:
                raise


def _capacity(error: RequestRefused, spec: EndpointSpec) -> Exception:
    """What RunPod says of full pools as such; it says the same of data centers."""
    if _FULL not in error.reason.lower():
        return error
    where = f"in {', '.join(spec.data_centers)}" if spec.data_centers else "anywhere"
    return NoCapacity(spec.name, asked="the wanted machines", where=where, reason=error.reason)


def _understood(read: Callable[[], T], *, what: str) -> T:
    """Read an answer.

    Raises:
        AnswerInvalid: it lacks what the published description says that it has.

    """
    try:
        return read()
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        lacking = f"{type(error).__name__} {error}" if isinstance(error, KeyError) else "its form"
        raise AnswerInvalid(what=what, reason=f"unexpected: {lacking}") from None


def _part(text: str) -> str:
    return quote(text, safe="")
