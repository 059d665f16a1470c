"""What an hour of audio costs, from what a worker took and what RunPod asks."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final, Self

from deploy.platform import Offer

FILE: Final = Path(__file__).with_name("prices.toml")
_HOUR: Final = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceList:
    """Prices of pools, and since when, by whom.

    Attributes:
        dollars_per_second: of one GPU, by pool.
        source: where they were read.
        day: when that was written.

    """

    dollars_per_second: Mapping[str, float]
    source: str
    day: date

    @classmethod
    def read(cls, path: Path = FILE) -> Self:
        """Read the price file."""
        pools = tomllib.loads(path.read_text(encoding="utf-8"))["pools"]
        return cls(
            dollars_per_second=pools["dollars_per_second"],
            source=pools["source"],
            day=pools["date"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """What a second of a worker costs.

    Attributes:
        name: of the pool or flavor.
        dollars_per_second: of the worker.
        source: where that is said, for a reader.

    """

    name: str
    dollars_per_second: float
    source: str


def rates(
    names: Iterable[str], *, units: float, offers: Mapping[str, Offer], listed: PriceList
) -> list[Rate]:
    """What workers of these pools or flavors cost, where somebody says it.

    Args:
        names: of pools, or of flavors.
        units: GPUs or vCPUs of a worker.
        offers: the account's catalog, which goes first.
        listed: the price file.

    """
    found = []
    for name in names:
        offer = offers.get(name)
        if offer and offer.dollars_per_hour:
            price, source = offer.dollars_per_hour / _HOUR, "the catalog today"
        elif name in listed.dollars_per_second:
            price, source = listed.dollars_per_second[name], f"{listed.source}, {listed.day}"
        else:
            continue
        found.append(Rate(name=name, dollars_per_second=price * units, source=source))
    return found


def of_an_hour(rate: Rate, *, worker_seconds: float, audio_seconds: float) -> float:
    """Dollars for an hour of audio at the pace of one job: starts and idle time come on top."""
    return rate.dollars_per_second * worker_seconds * _HOUR / audio_seconds
