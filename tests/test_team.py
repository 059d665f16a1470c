"""Pieces of one task, side by side."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from handlers.team import Team, cores


def test_results_come_in_the_order_of_the_pieces() -> None:
    assert Team("test", size=3).map(lambda piece: piece * 2, range(20)) == list(range(0, 40, 2))
    assert Team("test", size=3).map(lambda piece: piece, []) == []


def test_as_many_as_the_team_work_at_once() -> None:
    together = threading.Barrier(3)
    assert len(Team("test", size=3).map(lambda _piece: together.wait(timeout=10), range(3))) == 3


def test_nobody_is_called_for_one_piece() -> None:
    names = Team("test", size=3).map(lambda _piece: threading.current_thread(), [0])
    assert names == [threading.current_thread()]


def test_a_failure_is_told_when_nothing_runs_any_more() -> None:
    ended = []

    def work(piece: int) -> None:
        if piece == 0:
            raise LookupError(piece)
        ended.append(piece)

    with pytest.raises(LookupError):
        Team("test", size=2).map(work, range(10))
    assert sorted(ended) == list(range(1, 10))


def test_each_thread_computes_on_one_core() -> None:
    assert cores() == cores() >= 1
    with ThreadPoolExecutor(1) as fresh:
        assert fresh.submit(torch.get_num_threads).result() == 1
