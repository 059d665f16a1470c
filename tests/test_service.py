"""Engines that stay, and loads that fail."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from handlers.errors import ModelMissing
from handlers.service import Resident


def test_all_who_wait_for_one_load_are_told_of_its_failure_and_the_next_one_tries_again() -> None:
    loads: list[int] = []
    may = threading.Event()

    def load() -> str:
        loads.append(1)
        may.wait(5)
        if len(loads) == 1:
            message = "not there yet"
            raise ModelMissing(message)
        return "engine"

    engine = Resident(load)
    together = threading.Barrier(8)

    def ask() -> object:
        together.wait(5)
        return engine.failure()

    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(ask) for _ in range(8)]
        time.sleep(0.5)  # one loads, seven stand at its door
        may.set()
        found = [one.result() for one in waiting]
    assert all(isinstance(one, ModelMissing) for one in found)
    assert len(loads) == 1
    assert engine.get() == "engine"


def test_what_is_loaded_is_not_loaded_again() -> None:
    loads: list[int] = []

    def load() -> str:
        loads.append(1)
        return "engine"

    engine = Resident(load)
    assert (engine.get(), engine.get(), engine.failure()) == ("engine", "engine", None)
    assert len(loads) == 1


def test_an_error_that_is_not_of_a_model_goes_through() -> None:
    def load() -> str:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Resident(load).get()
