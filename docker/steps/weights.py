"""Fetches models into an image, in a build stage: `weights.py ROLE...`.

The hub's token comes from a secret mount, and goes nowhere but into this process.
"""  # noqa: INP001  a script

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

SECRET: Final = Path("/run/secrets/HF_TOKEN")
FETCHED: Final = Path.home() / "fetched"
TREE: Final = Path.home() / "weights"
"""Is copied to `/`."""
TARGET: Final = TREE / "opt" / "parley" / "models"
"""Where `PARLEY_IMAGE_MODELS` has them."""
EPOCH: Final = 1_577_836_800
"""As in `environment.py`: the same weights make the same layer."""


def main(roles: Sequence[str]) -> None:
    """Fetch the models of roles, and lay them out as a layer."""
    environment = {**os.environ, "MODELS_DIR": str(FETCHED), "PARLEY_WEIGHTS_FROM": "volume,hub"}
    if SECRET.exists():
        environment["HF_TOKEN"] = SECRET.read_text(encoding="utf-8").strip()
    for role in roles:
        command = ("/usr/local/bin/parley", "weights", "fetch", role)
        subprocess.run(command, check=True, env=environment)  # noqa: S603
    TARGET.parent.mkdir(parents=True)
    shutil.move(FETCHED / "huggingface" / "hub", TARGET)
    for path in [*TREE.rglob("*"), TREE]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)
        os.utime(path, (EPOCH, EPOCH), follow_symlinks=False)


if __name__ == "__main__":
    main(sys.argv[1:])
