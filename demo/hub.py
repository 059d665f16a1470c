"""Lay files out as a Hugging Face cache does: `blobs/`, `snapshots/<revision>/`, `refs/main`."""

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

HUB: Final = Path(__file__).parent / "models" / "hub"
"""The demo's models, as `HF_HUB_CACHE` would hold them."""

TRANSCRIBER: Final = "parley/demo-parakeet-tdt"
DIARIZER: Final = "parley/demo-speaker-diarization"

ENVIRONMENT: Final = {
    "PARLEY_TRANSCRIBER_MODEL": TRANSCRIBER,
    "PARLEY_DIARIZER_MODEL": DIARIZER,
    "HF_HUB_CACHE": str(HUB),
    "HF_HUB_OFFLINE": "1",
}
"""What makes a worker use the demo's models, without any network."""


def publish(repository: str, files: Mapping[str, Path], *, hub: Path = HUB) -> Path:
    """Make files the only snapshot of a repository, and return the snapshot's folder.

    The revision is derived from names and contents, so publishing the same files again changes
    nothing.

    Args:
        repository: `organisation/name`.
        files: path inside the repository -> the file to copy.
        hub: the cache to publish into.

    """
    home = hub / ("models--" + repository.replace("/", "--"))
    digests = {name: _sha256(path) for name, path in sorted(files.items())}
    listing = "".join(f"{digest}  {name}\n" for name, digest in digests.items())
    revision = hashlib.sha1(listing.encode(), usedforsecurity=False).hexdigest()
    shutil.rmtree(home, ignore_errors=True)
    snapshot = home / "snapshots" / revision
    for name, path in files.items():
        blob = home / "blobs" / digests[name]
        blob.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, blob)
        link = snapshot / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(Path("../" * (len(Path(name).parts) + 1), "blobs", digests[name]))
    (home / "refs").mkdir(exist_ok=True)
    (home / "refs" / "main").write_text(revision)
    return snapshot


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
