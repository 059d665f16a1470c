"""Says what the layers of images on this machine weigh, compressed as a registry gets them.

    python docker/sizes.py [--compression gzip|zstd] IMAGE...

Needs buildah and podman, room for what it compresses, and a minute for each 2 GB on 2 cores.
"""  # noqa: INP001  a script

import argparse
import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

MEGABYTE: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One layer; sizes in bytes."""

    made_by: str
    compressed: int
    unpacked: int


def told(*command: str) -> str:
    """What a command prints."""
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    return done.stdout


def layers(image: str, *, compression: str) -> list[Layer]:
    """The layers of an image, the base's first."""
    with tempfile.TemporaryDirectory() as folder:
        wanted = ("--quiet", "--compression-format", compression)
        told("buildah", "push", *wanted, image, f"oci:{folder}")
        blobs = Path(folder) / "blobs" / "sha256"
        index = json.loads((Path(folder) / "index.json").read_text())
        manifest = json.loads(_blob(blobs, index["manifests"][0]).read_text())
    history: list[dict[str, Any]] = json.loads(told("podman", "history", "--format", "json", image))
    # a step that only changes the configuration has no layer, and no size
    steps = [step for step in reversed(history) if step["size"]]
    return [
        Layer(made_by=step["CreatedBy"], compressed=layer["size"], unpacked=step["size"])
        for layer, step in zip(manifest["layers"], steps, strict=True)
    ]


def _blob(blobs: Path, descriptor: dict[str, Any]) -> Path:
    return blobs / str(descriptor["digest"]).removeprefix("sha256:")


def main() -> None:
    """Print a table for each image."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("images", nargs="+")
    parser.add_argument("--compression", choices=("gzip", "zstd"), default="gzip")
    chosen = parser.parse_args()
    for image in chosen.images:
        print(image)  # noqa: T201
        found = layers(image, compression=chosen.compression)
        above = found[1:]
        for layer in found:
            _print(layer.compressed, layer.unpacked, layer.made_by[:90])
        _print(sum(x.compressed for x in above), sum(x.unpacked for x in above), "above the base")
        _print(sum(x.compressed for x in found), sum(x.unpacked for x in found), "in all")


def _print(compressed: int, unpacked: int, what: str) -> None:
    print(f"{compressed / MEGABYTE:9.1f} MB {unpacked / MEGABYTE:9.1f} MB  {what}")  # noqa: T201


if __name__ == "__main__":
    main()
