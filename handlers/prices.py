"""What RunPod asks for machines and storage: from a dated file, or from the catalog of a day.

Nothing is made up: what has no price raises `PriceUnknown`, which says who may know it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, Final, Self

FILE: Final = Path(__file__).with_name("prices.toml")
HOUR: Final = 3600.0
MONTH_HOURS: Final = 720.0
"""Of thirty days, which is what a month is wherever Parley counts in months."""


class PriceUnknown(LookupError):
    """Nobody says what a machine costs; the message names it, and says who may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """What a second of a worker costs.

    Attributes:
        name: of the pool or flavor.
        dollars_per_second: of the worker.
        source: where that is said, and of which day, for a reader.

    """

    name: str
    dollars_per_second: float
    source: str

    @property
    def dollars_per_hour(self) -> float:
        return self.dollars_per_second * HOUR

    def cost(self, seconds: float) -> float:
        """Dollars of so many seconds of the worker."""
        return self.dollars_per_second * seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """GPUs that cost the same.

    Attributes:
        dollars_per_second: of one of them; None where it is not said.
        source: where the price was read.
        day: of which day it is.
        gpus: their names, as their driver gives them.
        memory_gb: of the smallest one; 0 where it is not known.

    """

    dollars_per_second: float | None
    source: str
    day: date
    gpus: tuple[str, ...] = ()
    memory_gb: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Flavor:
    """A kind of CPU worker, priced by the vCPU.

    Attributes:
        dollars_per_second: of one vCPU.
        source: where the price was read.
        day: of which day it is.

    """

    dollars_per_second: float
    source: str
    day: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """What keeping files costs, in dollars for each GB and month of thirty days.

    Attributes:
        volume_gb_month: on a network volume, whether workers run or not.
        disk_gb_month: on a worker's own disk, while it runs.
        source: where the prices were read.
        day: of which day they are.

    """

    volume_gb_month: float
    disk_gb_month: float
    source: str
    day: date


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceList:
    """Prices of pools of GPUs, of CPU flavors where somebody says them, and of storage.

    Attributes:
        pools: by RunPod's name, such as `AMPERE_24`.
        flavors: by RunPod's name, such as `cpu3c`; none in the file, since none is published.
        storage: of files.

    """

    pools: Mapping[str, Pool]
    storage: Storage
    flavors: Mapping[str, Flavor] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path = FILE) -> Self:
        """Read a price file.

        Raises:
            ValueError: it is none; the message names what is wrong.
            OSError: it cannot be read.

        """
        import tomllib  # noqa: PLC0415  a worker starts without it

        try:
            tables = tomllib.loads(path.read_text(encoding="utf-8"))
            gpu, storage = tables["gpu"], tables["storage"]
            return cls(
                pools={name: _pool(pool, beside=gpu) for name, pool in gpu["pools"].items()},
                flavors={
                    name: Flavor(
                        dollars_per_second=_price(flavor["vcpu_hour"]) / HOUR,
                        source=flavor["source"],
                        day=_day(flavor["date"]),
                    )
                    for name, flavor in tables.get("cpu", {}).items()
                },
                storage=Storage(
                    volume_gb_month=_price(storage["volume_gb_month"]),
                    disk_gb_month=_price(storage["disk_gb_month"]),
                    source=storage["source"],
                    day=_day(storage["date"]),
                ),
            )
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            message = (
                f"{path} is no price file ({type(error).__name__}: {error}). Write it like "
                "handlers/prices.toml."
            )
            raise ValueError(message) from None

    def gpu(self, pool: str, *, count: int = 1) -> Rate:
        """What a worker with so many GPUs of a pool costs.

        Raises:
            PriceUnknown: no price of the pool is known.

        """
        found = self.pools.get(pool)
        if found is None or found.dollars_per_second is None:
            message = (
                f"No price of the pool {pool} is known. The account's catalog may say it "
                "(RUNPOD_API_KEY), or PARLEY_PRICE_PER_SECOND."
            )
            raise PriceUnknown(message)
        return Rate(
            name=pool,
            dollars_per_second=found.dollars_per_second * count,
            source=f"{found.source}, {found.day}",
        )

    def of_gpu(self, name: str, *, count: int = 1) -> Rate:
        """What a worker costs whose GPU's driver gives a name, such as `NVIDIA L4`.

        Raises:
            PriceUnknown: no pool has such GPUs, or the pool has no price.

        """
        for pool, facts in self.pools.items():
            if name in facts.gpus:
                return self.gpu(pool, count=count)
        message = (
            f"No pool of RunPod's is known that has GPUs of the name {name}. Set "
            "PARLEY_PRICE_PER_SECOND to what a second of the worker costs."
        )
        raise PriceUnknown(message)

    def cpu(self, flavor: str, *, vcpus: int) -> Rate:
        """What a CPU worker costs.

        Raises:
            PriceUnknown: the list holds no price of the flavor: the file holds none at all.

        """
        found = self.flavors.get(flavor)
        if found is None:
            message = (
                f"RunPod publishes no price of CPU workers such as {flavor}. The account's catalog "
                "says it (RUNPOD_API_KEY), or PARLEY_PRICE_PER_SECOND."
            )
            raise PriceUnknown(message)
        return Rate(
            name=flavor,
            dollars_per_second=found.dollars_per_second * vcpus,
            source=f"{found.source}, {found.day}",
        )

    def volume_month(self, gb: float) -> float:
        """Dollars of a network volume for a month; above a terabyte this is too much."""
        return self.storage.volume_gb_month * gb

    def disk(self, gb: float, *, seconds: float) -> float:
        """Dollars of a worker's own disk while it runs."""
        return self.storage.disk_gb_month * gb * seconds / (MONTH_HOURS * HOUR)


@cache
def published() -> PriceList:
    """The prices that come with Parley, read once."""
    return PriceList.read()


def rates(
    names: Iterable[str], *, units: int, catalog: Mapping[str, float], listed: PriceList
) -> list[Rate]:
    """What workers of these pools or flavors cost, where somebody says it.

    Args:
        names: of pools, or of flavors.
        units: GPUs or vCPUs of a worker.
        catalog: dollars an hour of a unit as the account's catalog says it; goes first.
        listed: the price file.

    """
    found = []
    for name in names:
        if price := catalog.get(name):
            own = Rate(
                name=name, dollars_per_second=price / HOUR * units, source="the catalog today"
            )
            found.append(own)
            continue
        try:
            rate = (
                listed.cpu(name, vcpus=units)
                if name in listed.flavors
                else listed.gpu(name, count=units)
            )
        except PriceUnknown:
            continue
        found.append(rate)
    return found


def of_an_hour(rate: Rate, *, worker_seconds: float, audio_seconds: float) -> float:
    """Dollars for an hour of audio at the pace of one job: starts and idle time come on top."""
    return rate.cost(worker_seconds) * HOUR / audio_seconds


def _pool(table: Mapping[str, Any], *, beside: Mapping[str, Any]) -> Pool:
    price = table.get("dollars_per_second")
    return Pool(
        dollars_per_second=None if price is None else _price(price),
        source=table.get("source", beside["source"]),
        day=_day(table.get("date", beside["date"])),
        gpus=tuple(table.get("gpus", ())),
        memory_gb=int(table.get("memory_gb", 0)),
    )


def _price(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e6:  # noqa: PLR2004
        message = f"{value!r} is no price"
        raise ValueError(message)
    return float(value)


def _day(value: object) -> date:
    if not isinstance(value, date):
        message = f"{value!r} is no date"
        raise TypeError(message)
    return value
