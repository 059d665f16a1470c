"""A worker whose image cannot be pulled: as on RunPod, it says so and stays initializing."""

import sys
import time
from typing import Final

_PAUSE_SECONDS: Final = 15.0


def main() -> None:
    """Say so again and again; the platform ends it."""
    while True:
        line = f"error pulling image: {sys.argv[1]}: manifest unknown: there is no such image here"
        print(line, flush=True)  # noqa: T201  its log is what it prints
        time.sleep(_PAUSE_SECONDS)


if __name__ == "__main__":
    main()
