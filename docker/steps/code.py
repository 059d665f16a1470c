"""Lays Parley's own code out for an image, in the build stage: `code.py SOURCE PACKAGE...`."""  # noqa: INP001  a script

import compileall
import os
import py_compile
import shutil
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

TREE: Final = Path("/layers/code")
"""Is copied to `/`."""
COMMAND: Final = """#!/opt/venv/bin/python
import sys

from parley.cli import main

sys.exit(main())
"""
EPOCH: Final = 1_577_836_800
"""As in `environment.py`: unchanged code makes an unchanged layer."""


def lay_out(source: Path, packages: Sequence[str], *, tree: Path) -> None:
    """Copy packages, compile them, and say which version they are."""
    target = tree / "app"
    for package in packages:
        shutil.copytree(source / package, target / package)
    unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
    if not compileall.compile_dir(target, quiet=1, invalidation_mode=unchecked):
        sys.exit("The code does not compile.")
    project = tomllib.loads((source / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    facts = target / f"parley-{project['version']}.dist-info" / "METADATA"
    facts.parent.mkdir()
    facts.write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n",
        encoding="utf-8",
    )
    if "parley" in packages:
        command = tree / "usr" / "local" / "bin" / "parley"
        command.parent.mkdir(parents=True)
        command.write_text(COMMAND, encoding="utf-8")
    for path in [*tree.rglob("*"), tree]:
        executable = path.is_dir() or path.parent.name == "bin"
        path.chmod(0o755 if executable else 0o644)
        os.utime(path, (EPOCH, EPOCH))


if __name__ == "__main__":
    lay_out(Path(sys.argv[1]), sys.argv[2:], tree=TREE)
