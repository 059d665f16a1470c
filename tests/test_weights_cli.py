"""`parley weights` as an operator uses it, with the demo's models."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from demo.hub import DIARIZER, HUB, TRANSCRIBER
from tests.buckets import KEY_ID, SECRET, local_bucket

PARLEY = Path(sys.executable).with_name("parley")


@pytest.fixture
def machine(tmp_path: Path) -> dict[str, str]:
    """A worker's environment, whose image brings the demo's models."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "MODELS_DIR": str(tmp_path / "volume"),
        "PARLEY_IMAGE_MODELS": str(HUB),
        "PARLEY_MODEL_STORE": str(tmp_path / "store"),
        "PARLEY_TRANSCRIBER_MODEL": TRANSCRIBER,
        "PARLEY_DIARIZER_MODEL": DIARIZER,
        "HF_HUB_OFFLINE": "1",
        "COLUMNS": "200",
    }


def weights(*arguments: str, machine: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603
        [str(PARLEY), "weights", *arguments],
        env=machine,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


def test_list_says_where_each_model_is(machine: dict[str, str]) -> None:
    done = weights("list", machine=machine)
    assert done.returncode == 0, done.stderr
    for name in (TRANSCRIBER, DIARIZER):
        assert name in done.stdout
    assert done.stdout.count("revision ") == 2


def test_fetch_fills_the_volume(machine: dict[str, str], tmp_path: Path) -> None:
    done = weights("fetch", machine=machine | {"PARLEY_IMAGE_SEEDS": "1"})
    assert done.returncode == 0, done.stderr
    assert f"{TRANSCRIBER}: image, revision" in done.stdout
    again = weights("fetch", machine=machine | {"PARLEY_WEIGHTS_FROM": "volume"})
    assert f"{TRANSCRIBER}: volume, revision" in again.stdout
    kept = tmp_path / "volume" / "huggingface" / "hub"
    assert len(list(kept.glob("models--*"))) == 2


def test_fetch_says_why_it_cannot(machine: dict[str, str]) -> None:
    done = weights("fetch", machine=machine | {"PARLEY_WEIGHTS_FROM": "volume"})
    assert done.returncode == 2
    assert TRANSCRIBER in done.stderr
    assert "Traceback" not in done.stderr


def test_verify_finds_what_is_damaged(machine: dict[str, str], tmp_path: Path) -> None:
    image = shutil.copytree(HUB, tmp_path / "image", symlinks=True)
    own = machine | {"PARLEY_IMAGE_MODELS": str(image)}
    assert weights("verify", machine=own).returncode == 0
    blob = next(image.glob("*parakeet*/snapshots/*/*.nemo")).resolve()
    content = bytearray(blob.read_bytes())
    content[len(content) // 2] ^= 1
    blob.write_bytes(content)
    done = weights("verify", machine=own)
    assert done.returncode == 1
    assert f"damaged  {TRANSCRIBER} (image)" in done.stdout
    assert f"sound    {DIARIZER} (image)" in done.stdout


def test_what_is_pushed_to_the_mirror_is_fetched_from_it(machine: dict[str, str]) -> None:
    with local_bucket() as s3:
        own = machine | {
            "PARLEY_MIRROR_BUCKET": s3.name,
            "BUCKET_ENDPOINT_URL": s3.url,
            "BUCKET_ACCESS_KEY_ID": KEY_ID,
            "BUCKET_SECRET_ACCESS_KEY": SECRET,
        }
        done = weights("push", machine=own)
        assert done.returncode == 0, done.stderr
        got = weights("fetch", machine=own | {"PARLEY_WEIGHTS_FROM": "volume,mirror"})
        assert got.returncode == 0, got.stderr
    for name in (TRANSCRIBER, DIARIZER):
        assert f"{name}: mirror, revision" in got.stdout


def test_what_is_prepared_is_found_before_the_archive(
    machine: dict[str, str], tmp_path: Path
) -> None:
    done = weights("prepare", machine=machine)
    assert done.returncode == 0, done.stderr
    home = tmp_path / "volume" / "huggingface" / "hub"
    (folder,) = home.glob("models--*/prepared/*")
    assert (folder / "prepared.json").is_file()
    listed = weights("list", "transcriber", machine=machine)
    assert f"revision {folder.name}, prepared" in listed.stdout
    found = weights("fetch", "transcriber", machine=machine)
    assert f"{TRANSCRIBER}: volume, revision {folder.name}" in found.stdout
    assert weights("verify", machine=machine).returncode == 0
