"""What an hour of audio costs."""

from datetime import UTC, date, datetime

import pytest

from deploy.manifest import SHAPES
from deploy.platform import Offer
from deploy.prices import PriceList, Rate, of_an_hour, rates
from tests.deployments import manifest_of

LISTED = PriceList(
    dollars_per_second={"A": 0.0002}, source="https://example.com", day=date(2026, 6, 8)
)


def test_every_price_has_a_source_and_a_day_that_is_over() -> None:
    listed = PriceList.read()
    assert listed.source.startswith("https://docs.runpod.io/")
    assert listed.day < datetime.now(UTC).date()


def test_every_pool_of_a_manifest_has_a_price() -> None:
    listed = PriceList.read().dollars_per_second
    for shape in SHAPES:
        for table in manifest_of(shape).endpoints:
            assert set(table.gpu.pools if table.gpu else ()) <= set(listed)


def test_an_hour_costs_what_its_seconds_cost() -> None:
    rate = Rate(name="A", dollars_per_second=0.0002, source="s")
    assert of_an_hour(rate, worker_seconds=7.2, audio_seconds=72.0) == pytest.approx(0.072)


def test_the_catalog_goes_before_the_file_and_nothing_is_made_up() -> None:
    offers = {
        "A": Offer(id="A", available=True),
        "B": Offer(id="B", available=True, dollars_per_hour=3.6),
    }
    found = rates(["A", "B", "C"], units=2, offers=offers, listed=LISTED)
    assert [(rate.name, rate.source) for rate in found] == [
        ("A", "https://example.com, 2026-06-08"),
        ("B", "the catalog today"),
    ]
    assert [rate.dollars_per_second for rate in found] == pytest.approx([0.0004, 0.002])
