"""The catalog over REST: what there is, and which of it is left."""

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from aiohttp import web

from emulator.faults import ANY, Faults
from emulator.management import catalog
from emulator.management.problems import look_up, require, unprocessable

_STOCK: Final = "AVAILABILITY"
_PLACES: Final = ("GPU_AVAILABILITY", "CPU_AVAILABILITY")
_GPU_FILTERS: Final = (
    "product",
    "count",
    "cloud",
    "countryCodes",
    "cudaVersions",
    "minCudaVersion",
)
_CPU_FILTERS: Final = ("product", "vcpuCount")
_VERSION: Final = re.compile(r"[0-9]+(\.[0-9]+)?")


class Stock:
    """GET /v2/catalog/...

    Args:
        faults: an `empty_pool` that is armed for good shows as NONE.

    """

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    async def gpus(self, request: web.Request) -> web.Response:
        tell = self._told_gpu(request)
        return web.json_response({"gpus": [tell(gpu) for gpu in catalog.GPUS]})

    async def gpu(self, request: web.Request) -> web.Response:
        tell = self._told_gpu(request)
        known = {gpu.id: gpu for gpu in catalog.GPUS}
        return web.json_response(tell(look_up(known, request.match_info["id"], "GPU type")))

    async def cpus(self, request: web.Request) -> web.Response:
        with_stock = _wants_stock(request.query, _CPU_FILTERS, ("POD", "SERVERLESS"))
        flavors = catalog.CPUS.values()
        facts = [catalog.cpu_facts(flavor, with_stock=with_stock) for flavor in flavors]
        return web.json_response({"cpus": facts})

    async def cpu(self, request: web.Request) -> web.Response:
        with_stock = _wants_stock(request.query, _CPU_FILTERS, ("POD", "SERVERLESS"))
        flavor = look_up(catalog.CPUS, request.match_info["id"], "CPU type")
        return web.json_response(catalog.cpu_facts(flavor, with_stock=with_stock))

    async def centers(self, request: web.Request) -> web.Response:
        include, regions = _list(request.query, "include", _PLACES), request.query.get("regions")
        centers = [
            catalog.center_facts(center, include=include, empty=self._empty())
            for center in catalog.DATA_CENTERS.values()
            if regions is None or center.region in regions.split(",")
        ]
        return web.json_response({"dataCenters": centers})

    async def center(self, request: web.Request) -> web.Response:
        include = _list(request.query, "include", _PLACES)
        center = look_up(catalog.DATA_CENTERS, request.match_info["id"], "data center")
        facts = catalog.center_facts(center, include=include, empty=self._empty())
        return web.json_response(facts)

    def _told_gpu(self, request: web.Request) -> Callable[[catalog.GpuType], Mapping[str, Any]]:
        products = ("POD", "CLUSTER", "SERVERLESS")
        with_stock = _wants_stock(request.query, _GPU_FILTERS, products)
        message = "cudaVersions and minCudaVersion are mutually exclusive"
        require(message, holds=not {"cudaVersions", "minCudaVersion"} <= request.query.keys())
        if not _VERSION.fullmatch(request.query.get("minCudaVersion", "0")):
            message = "minCudaVersion: must be major or major.minor"
            raise unprocessable(message)
        empty = self._empty() if with_stock else None
        return lambda gpu: catalog.gpu_facts(gpu, empty=empty)

    def _empty(self) -> set[str]:
        faults = [fault for fault in self._faults.active() if fault.kind == "empty_pool"]
        names = {fault.endpoint for fault in faults if fault.times is None}
        return set(catalog.POOLS) if ANY in names else names


def _wants_stock(
    query: Mapping[str, str], filters: Collection[str], products: Collection[str]
) -> bool:
    """Tell whether the stock is asked for; it needs a product, and filters need it."""
    includes = bool(_list(query, "include", (_STOCK,)))
    wanted = _list(query, "product", products)
    message = "product is required with include=AVAILABILITY"
    require(message, holds=bool(wanted) or not includes)
    message = f"{', '.join(filters)} are valid only with include=AVAILABILITY"
    require(message, holds=includes or not any(name in query for name in filters))
    return includes


def _list(query: Mapping[str, str], key: str, allowed: Collection[str]) -> list[str]:
    values = query[key].split(",") if query.get(key) else []
    if not set(values) <= set(allowed):
        message = f"{key}: value must be one of {', '.join(allowed)}"
        raise unprocessable(message)
    return values
