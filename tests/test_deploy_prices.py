"""What an hour of audio costs on the machines of a deployment."""

from dataclasses import replace
from datetime import date

import pytest

from deploy.manifest import SHAPES
from handlers.prices import Pool, PriceList, Rate, of_an_hour, published, rates
from tests.deployments import manifest_of

SOURCE = "https://example.com"
DAY = date(2026, 6, 8)
LISTED = replace(
    published(), pools={"A": Pool(dollars_per_second=0.0002, source=SOURCE, day=DAY)}, flavors={}
)


def test_every_pool_of_a_manifest_has_a_price() -> None:
    listed = PriceList.read()
    for shape in SHAPES:
        for table in manifest_of(shape).endpoints:
            for pool in table.gpu.pools if table.gpu else ():
                assert listed.gpu(pool).dollars_per_second > 0


def test_an_hour_costs_what_its_seconds_cost() -> None:
    rate = Rate(name="A", dollars_per_second=0.0002, source="s")
    assert of_an_hour(rate, worker_seconds=7.2, audio_seconds=72.0) == pytest.approx(0.072)


def test_the_catalog_goes_before_the_file_and_nothing_is_made_up() -> None:
    found = rates(["A", "B", "C"], units=2, catalog={"B": 3.6}, listed=LISTED)
    assert [(rate.name, rate.source) for rate in found] == [
        ("A", "https://example.com, 2026-06-08"),
        ("B", "the catalog today"),
    ]
    assert [rate.dollars_per_second for rate in found] == pytest.approx([0.0004, 0.002])
