"""Prices of the day, as RunPod's catalog tells them to an account."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Annotated, Any, Final, TypeVar

import aiohttp
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from handlers.prices import HOUR, Flavor, Pool, PriceList
from planner.errors import AccountAnswerInvalid
from planner.money.management import Account, Management

SOURCE: Final = "RunPod's catalog"

_WHAT: Final = "its prices"
_Dollars = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Answer = TypeVar("_Answer", bound=BaseModel)


class _GpuPrice(BaseModel):
    serverless: _Dollars | None = None


class _Gpu(BaseModel):
    id: str
    pool: str | None
    memory: int = 0
    price: _GpuPrice


class _Gpus(BaseModel):
    gpus: tuple[_Gpu, ...]


class _CpuPrice(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    serverless: _Dollars | None = Field(default=None, alias="serverlessPerVcpu")


class _Cpu(BaseModel):
    id: str
    price: _CpuPrice


class _Cpus(BaseModel):
    cpus: tuple[_Cpu, ...]


def refresh(listed: PriceList, *, variables: Mapping[str, str]) -> PriceList:
    """Take the prices of today where the catalog says them, and the list's elsewhere.

    For programs without an event loop; see `refreshed`.

    Args:
        listed: what is known without RunPod.
        variables: the environment: RUNPOD_API_KEY, and RUNPOD_API_BASE for another platform.

    Raises:
        AccountError: there is no key, or RunPod does not tell.

    """
    account = Account.read(variables, what=_WHAT)

    async def ask() -> PriceList:
        async with aiohttp.ClientSession(trust_env=True) as session:
            return await refreshed(listed, management=Management(account, session=session))

    return asyncio.run(ask())


async def refreshed(
    listed: PriceList, *, management: Management, today: date | None = None
) -> PriceList:
    """Take the prices of today where the catalog says them, and the list's elsewhere.

    GPUs are priced by the hour, each; CPU flavors by the vCPU, of which RunPod's description says
    no unit: it is taken to be the hour too, as for all prices beside it.

    Args:
        listed: what is known without RunPod.
        management: asks it.
        today: the day that is noted with the prices; UTC where it is left out.

    Raises:
        AccountError: RunPod does not tell.

    """
    day = today or datetime.now(UTC).date()
    gpus, cpus = await asyncio.gather(
        management.get("catalog/gpus", what=_WHAT), management.get("catalog/cpus", what=_WHAT)
    )
    pools = dict(listed.pools)
    for gpu in _read(_Gpus, gpus).gpus:
        if gpu.pool:
            pools[gpu.pool] = _with(pools.get(gpu.pool), gpu, day=day)
    flavors = dict(listed.flavors) | {
        cpu.id: Flavor(dollars_per_second=cpu.price.serverless / HOUR, source=SOURCE, day=day)
        for cpu in _read(_Cpus, cpus).cpus
        if cpu.price.serverless
    }
    return replace(listed, pools=pools, flavors=flavors)


def _with(known: Pool | None, gpu: _Gpu, *, day: date) -> Pool:
    """A pool with one more GPU of the catalog; without a price there, it keeps the one it has."""
    pool = known or Pool(dollars_per_second=None, source=SOURCE, day=day)
    if gpu.price.serverless:
        dollars = gpu.price.serverless / HOUR
        pool = replace(pool, dollars_per_second=dollars, source=SOURCE, day=day)
    smallest = min(pool.memory_gb or gpu.memory, gpu.memory or pool.memory_gb)
    return replace(
        pool, gpus=tuple(dict.fromkeys((*pool.gpus, gpu.id))), memory_gb=max(0, smallest)
    )


def _read(kind: type[_Answer], answer: Any) -> _Answer:  # noqa: ANN401  JSON
    try:
        return kind.model_validate(answer)
    except ValidationError as error:
        place = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise AccountAnswerInvalid(what=_WHAT, reason=f"{place} is not as described") from None
