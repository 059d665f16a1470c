"""What RunPod asks, out of the file that comes with Parley; nothing in it is made up."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from handlers.prices import FILE, HOUR, PriceList, PriceUnknown, published


def test_every_price_has_a_source_and_a_day_that_is_over() -> None:
    listed, today = PriceList.read(), datetime.now(UTC).date()
    priced = [(pool.source, pool.day) for pool in listed.pools.values()]
    for source, day in [*priced, (listed.storage.source, listed.storage.day)]:
        assert source.startswith("https://docs.runpod.io/")
        assert day < today
    assert listed.gpu("AMPERE_24").source == "https://docs.runpod.io/serverless/pricing, 2026-06-08"


@pytest.mark.parametrize(
    ("gpu", "pool", "dollars"),
    [
        ("NVIDIA RTX A4000", "AMPERE_16", 0.00016),
        ("NVIDIA L4", "AMPERE_24", 0.00019),
        ("NVIDIA GeForce RTX 3090", "AMPERE_24", 0.00019),
        ("NVIDIA GeForce RTX 4090", "ADA_24", 0.00031),
        ("NVIDIA RTX A6000", "AMPERE_48", 0.00034),
        ("NVIDIA A40", "AMPERE_48", 0.00034),
        ("NVIDIA L40S", "ADA_48_PRO", 0.00053),
        ("NVIDIA A100-SXM4-80GB", "AMPERE_80", 0.00076),
        ("NVIDIA RTX PRO 6000 Blackwell Server Edition", "BLACKWELL_96", 0.00111),
        ("NVIDIA H100 80GB HBM3", "ADA_80_PRO", 0.00116),
        ("NVIDIA H200", "HOPPER_141", 0.00155),
        ("NVIDIA B200", "BLACKWELL_180", 0.0024),
    ],
)
def test_a_gpu_costs_what_its_pool_costs(gpu: str, pool: str, dollars: float) -> None:
    rate = published().of_gpu(gpu)
    assert (rate.name, rate.dollars_per_second) == (pool, dollars)
    assert published().of_gpu(gpu, count=2).dollars_per_second == 2 * dollars


def test_no_gpu_is_in_two_pools() -> None:
    names = [name for pool in published().pools.values() for name in pool.gpus]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    "ask",
    [
        lambda listed: listed.gpu("MOON_1"),
        lambda listed: listed.of_gpu("NVIDIA GeForce GTX 1080"),
        lambda listed: listed.of_gpu("NVIDIA GeForce RTX 5090"),  # its pool has no published price
        lambda listed: listed.cpu("cpu3c", vcpus=2),
    ],
)
def test_what_nobody_says_is_not_known_and_who_may_is_named(
    ask: Callable[[PriceList], object],
) -> None:
    with pytest.raises(PriceUnknown, match="PARLEY_PRICE_PER_SECOND"):
        ask(published())


def test_files_cost_by_the_month_and_while_a_worker_runs() -> None:
    assert published().volume_month(25) == pytest.approx(1.75)
    assert published().disk(20, seconds=720 * HOUR) == pytest.approx(2.0)


def test_an_own_file_may_price_cpu_workers_too(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    flavor = '[cpu.cpu3c]\nvcpu_hour = 0.036\nsource = "our contract"\ndate = 2026-11-01\n'
    path.write_text(FILE.read_text().replace("[cpu]\n", flavor))
    rate = PriceList.read(path).cpu("cpu3c", vcpus=2)
    assert rate.dollars_per_second == pytest.approx(0.00002)
    assert rate.source == "our contract, 2026-11-01"


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("[gpu]", "[gpus]"),
        ("0.00016", "-0.00016"),
        ("0.00016", "nan"),
        ("0.00016", '"cheap"'),
        ("date = 2026-06-08", 'date = "in June"'),
        ("volume_gb_month = 0.07", ""),
        ("[gpu]", "[gpu"),
    ],
)
def test_a_file_that_is_none_is_named(tmp_path: Path, right: str, wrong: str) -> None:
    path = tmp_path / "own.toml"
    path.write_text(FILE.read_text().replace(right, wrong))
    with pytest.raises(ValueError, match=r"own\.toml is no price file"):
        PriceList.read(path)
