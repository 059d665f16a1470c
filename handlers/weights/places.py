"""Where weights are kept on this machine, and how everybody in this process is told."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from handlers.settings import Settings

VOLUME: Final = Path("/runpod-volume")
"""Where RunPod mounts a network volume."""
_FOLDER: Final = "parley"
_CACHE: Final = Path("~/.cache")


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """The folders that downloads are kept in.

    Attributes:
        models: the root of them, where there is one: MODELS_DIR, or a folder on RunPod's volume.
        home: HF_HOME.
        hub: HF_HUB_CACHE, in which weights are looked for and kept.
        torch: TORCH_HOME.

    """

    models: Path | None
    home: Path
    hub: Path
    torch: Path

    @classmethod
    def of(cls, settings: Settings, *, volume: Path = VOLUME) -> "Places":
        """Say where they are: on the volume, or where there is none, on the machine's own disk.

        Args:
            settings: a folder that is named there is taken as it is.
            volume: where a network volume would be.

        """
        cache = _CACHE.expanduser()
        if "volume" not in settings.weights_from:
            home = cache / "huggingface"
            return cls(models=None, home=home, hub=home / "hub", torch=cache / "torch")
        models = settings.models_dir or (volume / _FOLDER if os.access(volume, os.W_OK) else None)
        home = settings.hf_home or (models or cache) / "huggingface"
        return cls(
            models=models,
            home=home.expanduser(),
            hub=(settings.hub_cache or home / "hub").expanduser(),
            torch=(settings.torch_home or (models or cache) / "torch").expanduser(),
        )

    def lead_there(self) -> None:
        """Let whatever else this process loads, and downloads, keep it in the same places."""
        os.environ["HF_HOME"] = str(self.home)
        os.environ["HF_HUB_CACHE"] = str(self.hub)
        os.environ["TORCH_HOME"] = str(self.torch)
        if self.models:
            os.environ["MODELS_DIR"] = str(self.models)


def stay_offline() -> None:
    """Let no loader ask the hub whether what was found is the newest.

    It holds for libraries that are imported later. Another model may still be fetched: by us.
    """
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["TRANSFORMERS_OFFLINE"] = "1"
