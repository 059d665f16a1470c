"""What a long vocabulary costs at the start: NeMo's own loading beside ours.

    python -m benchmarks.vocabulary

Two small models of random weights, with the 1024 pieces of Parakeet v2 and the 8192 of v3, loaded
in turns. Nearly all of the time is the configuration: the weights are a few MB.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

from benchmarks.full_size import parakeet
from handlers.lean_imports import import_leanly
from handlers.loading import without_collection

_PAIRS: Final = 5
_PIECES: Final = (1024, 8192)


def main() -> None:
    """Measure and print."""
    import_leanly()
    from nemo.collections.asr.models import ASRModel  # noqa: PLC0415
    from nemo.utils import logging  # noqa: PLC0415

    logging.setLevel(logging.ERROR)
    print("| pieces | restore_from, s | ours, s | ratio |\n| --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        for pieces in _PIECES:
            path = parakeet(Path(folder) / str(pieces), layers=2, width=64, pieces=pieces)
            plain = partial(ASRModel.restore_from, str(path), map_location="cpu")
            ours = partial(_restore, path)
            ours(), plain()  # both import what they need
            pairs = [(_seconds(plain), _seconds(ours)) for _ in range(_PAIRS)]
            before, after = (statistics.median(column) for column in zip(*pairs, strict=True))
            ratio = statistics.median(a / b for a, b in pairs)
            print(f"| {pieces} | {before:.2f} | {after:.2f} | {ratio:.1f} |", flush=True)


def _restore(path: Path) -> None:
    """Load as a worker does."""
    from handlers import nemo_file  # noqa: PLC0415

    with without_collection():
        nemo_file.restore(path)


def _seconds(load: Callable[[], Any]) -> float:
    began = time.perf_counter()
    load()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
