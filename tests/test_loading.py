"""What workers do once, before they load anything."""

import subprocess
import sys
from typing import Final

_ASK_AGAIN: Final = """
import resource, sys, threading
from handlers.loading import keep_one_heap

def layers():
    for _ in range(20):
        results = [b"x" * (megabytes << 20) for megabytes in (30, 20, 25, 9)]
        del results

def of_a_thread(work):
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

if "kept" in sys.argv:
    keep_one_heap()
of_a_thread(layers)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
of_a_thread(layers)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_a_thread_keeps_the_memory_that_its_model_needs_again() -> None:
    pages = 84 * 2**20 // 4096
    assert _page_faults("kept") < pages / 10
    assert _page_faults() > pages  # or there would be nothing to keep


def _page_faults(*arguments: str) -> int:
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", _ASK_AGAIN, *arguments], check=True, capture_output=True, text=True
    )
    return int(done.stdout)
