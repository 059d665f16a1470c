"""Makes the Python environment of one image, in the build stage: `environment.py LOCK SMOKE...`.

It installs what the lock names, takes out what no worker uses, proves with the scripts SMOKE that
all else is there, and lays the files out as LAYERS says, so that each folder becomes a layer. All
times are the same, and bytecode holds none: the same lock makes the same layers on every machine,
and a registry that has them is sent nothing.
"""  # noqa: INP001  a script

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

HOME: Final = Path("/opt/venv")
TOOLS: Final = Path("/opt/tools/bin")
"""The installer and the writer of the bill of materials, which stay behind."""
TREE: Final = Path("/layers")
"""Takes a folder for each layer, as it is copied to `/`."""
BILL: Final = "usr/share/parley/sbom.cdx.json"
EPOCH: Final = 1_577_836_800
"""2020-01-01: archives cannot hold times before 1980."""

LAYERS: Final[dict[str, tuple[str, ...]]] = {
    "cuda": ("nvidia/cu13/*",),
    "cudnn": ("nvidia/*",),
    "torch": ("torch/*", "torchgen/*", "functorch/*", "triton/*"),
    "packages": ("*",),
}
"""What goes where, by the path in `site-packages`; the first that fits. Three layers of about the
same size hold what only changes with torch: they are fetched side by side."""

UNUSED: Final[dict[str, tuple[str, ...]]] = {
    "for compiling against": (
        "nvidia/*/include/*",
        "nvidia/*.a",
        "nvidia/*.bc",
        "torch/include/*",
        "torch/share/*",
        "torch/bin/protoc*",
        "torch/bin/ptxas",
        "numpy/*/include/*",
        "pyarrow/include/*",
        "*.pyx",
        "*.pxd",
    ),
    "for several GPUs in one solver; no library links to it": (
        "nvidia/cu13/lib/libcusolverMg.so.*",
    ),
    "for profilers that read the counters of the hardware": (
        "nvidia/cu13/lib/libnvperf_*",
        "nvidia/cu13/lib/libpcsamplingutil.so",
    ),
    "the libraries' own tests": (
        "matplotlib/tests/*",
        "networkx/*/tests/*",
        "numba/tests/*",
        "numpy/*/tests/*",
        "pandas/tests/*",
        "pyarrow/tests/*",
        "scipy/*/tests/*",
        "sklearn/*/tests/*",
        "sympy/*/tests/*",
    ),
}
"""Files that no worker reads, by why; paths in `site-packages`."""


def run(*command: str | Path) -> None:
    """Run a command; its failure is this script's."""
    subprocess.run([str(word) for word in command], check=True)  # noqa: S603


def install(lock: Path) -> Path:
    """Install what a lock names, checksums held against it; give the `site-packages`."""
    python = HOME / "bin" / "python"
    run(TOOLS / "uv", "venv", "--quiet", "--python", sys.executable, HOME)
    # copies, since the cache is a mount of its own
    options = ("--quiet", "--require-hashes", "--link-mode", "copy", "--python", python)
    run(TOOLS / "uv", "pip", "sync", *options, lock)
    (packages,) = HOME.glob("lib/python3*/site-packages")
    return packages


def prune(packages: Path) -> int:
    """Remove what UNUSED lists, and bytecode; the bytes that were removed."""
    patterns = [pattern for some in UNUSED.values() for pattern in some]
    removed = 0
    for path in [*_files(packages)]:
        name = path.relative_to(packages).as_posix()
        if "__pycache__" in name or any(fnmatchcase(name, pattern) for pattern in patterns):
            removed += path.lstat().st_size
            path.unlink()
    return removed


def write_bill(target: Path) -> None:
    """Write the software bill of materials (CycloneDX) of the environment."""
    target.parent.mkdir(parents=True, exist_ok=True)
    options = ("--output-reproducible", "--output-format", "JSON", "--output-file", target)
    run(TOOLS / "cyclonedx-py", "environment", *options, HOME / "bin" / "python")


def compile_all(folder: Path) -> None:
    """Write bytecode that is taken without a look at its source, whatever time that has."""
    command = [sys.executable, "-m", "compileall", "-qq", "-j0", "--invalidation-mode"]
    # some packages hold templates that are no Python: what matters is imported by the smoke test
    subprocess.run([*command, "unchecked-hash", str(folder)], check=False)  # noqa: S603


def split(packages: Path) -> None:
    """Move the environment into the folders of its layers."""
    for path in [*_files(HOME)]:
        inside = path.relative_to(packages).as_posix() if packages in path.parents else ""
        layer = _layer(inside) if inside else "packages"
        target = TREE / layer / path.relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)


def freeze(tree: Path) -> None:
    """Give every file and folder the same time."""
    for path in [*tree.rglob("*"), tree]:
        os.utime(path, (EPOCH, EPOCH), follow_symlinks=False)


def _layer(name: str) -> str:
    fitting = (layer for layer, some in LAYERS.items() if any(fnmatchcase(name, p) for p in some))
    return next(fitting)


def _files(folder: Path) -> Iterable[Path]:
    return (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())


def _megabytes(folder: Path) -> int:
    return sum(path.lstat().st_size for path in _files(folder)) // 1_000_000


def main(arguments: Sequence[str]) -> None:
    """Make the environment of a lock, checked by scripts."""
    lock, *smokes = (Path(argument) for argument in arguments)
    for layer in LAYERS:
        (TREE / layer).mkdir(parents=True, exist_ok=True)
    packages = install(lock)
    removed = prune(packages)
    print(f"{_megabytes(packages)} MB, and {removed // 1_000_000} MB not used")  # noqa: T201
    write_bill(TREE / "packages" / BILL)
    for smoke in smokes:
        run(HOME / "bin" / "python", "-B", smoke)
    compile_all(packages)
    split(packages)
    shutil.rmtree(HOME)
    freeze(TREE)
    for layer in LAYERS:
        print(f"{layer}: {_megabytes(TREE / layer)} MB")  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
