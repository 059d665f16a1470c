"""Where weights are found, and what is said when they are not."""

import io
import json
import logging
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
import yaml  # type: ignore[import-untyped]

from demo.hub import HUB, publish
from handlers.errors import ModelAccessDenied, ModelMissing
from handlers.settings import Settings, SettingsError
from handlers.weights import Weights, find_weights
from handlers.weights.places import Places
from tests.hubs import REVISION, LocalHub, local_hub

NAME = "nvidia/some-model"
PIPELINE = "pyannote/some-pipeline"
PIPELINE_FILES = ("config.yaml", "*/*")
TOKEN = "hf_notarealtokenatall"  # noqa: S105
NOWHERE = "http://127.0.0.1:1"


class Home:
    """A worker's machine: each source has a folder, and all of them are empty."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.store = root / "store"
        self.volume = root / "volume" / "huggingface" / "hub"
        self.image = root / "image"
        self._monkeypatch = monkeypatch
        for name in ("HF_HOME", "HF_HUB_CACHE", "HF_HUB_OFFLINE", "TORCH_HOME", "MODELS_DIR"):
            monkeypatch.delenv(name, raising=False)
        # a search sets these, and the next test is to find them as they were
        monkeypatch.setenv("TRANSFORMERS_OFFLINE", "")

    def settings(self, **variables: str) -> Settings:
        given = {
            "PARLEY_MODEL_STORE": str(self.store),
            "PARLEY_IMAGE_MODELS": str(self.image),
            "MODELS_DIR": str(self.root / "volume"),
            "HF_ENDPOINT": NOWHERE,
            **variables,
        }
        for name, value in given.items():
            self._monkeypatch.setenv(name, value)
        for name in ("HF_HOME", "HF_HUB_CACHE", "HF_HUB_OFFLINE", "TORCH_HOME"):
            if name not in variables:
                self._monkeypatch.delenv(name, raising=False)
        return Settings.read()

    def find(
        self, name: str = NAME, *, files: tuple[str, ...] = ("*.nemo",), **variables: str
    ) -> Weights:
        return find_weights(name, files=files, settings=self.settings(**variables))

    def put(self, where: Path, name: str = NAME, **contents: bytes) -> Path:
        """Publish files; `a__b_c_d` stands for the path `a/b_c.d`."""
        source = self.root / "source"
        shutil.rmtree(source, ignore_errors=True)
        source.mkdir()
        files = {}
        for word, content in (contents or {"model_nemo": nemo(b"weights")}).items():
            path = ".".join(word.replace("__", "/").rsplit("_", 1))
            files[path] = source / word
            files[path].write_bytes(content)
        return publish(name, files, hub=where)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    return Home(tmp_path, monkeypatch)


def nemo(content: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        member = tarfile.TarInfo("model_weights.ckpt")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


def npz() -> bytes:
    file = io.BytesIO()
    np.savez(file, mean=np.zeros(3))
    return file.getvalue()


def test_a_local_folder_is_used_in_place(tmp_path: Path, home: Home) -> None:
    found = home.find(str(tmp_path))
    assert found.path == tmp_path
    assert found.model.source == "local"


@pytest.mark.parametrize("name", ["./nowhere", "/no/such/folder", "word", "a/b/c"])
def test_what_is_neither_path_nor_repository_is_missing(name: str, home: Home) -> None:
    with pytest.raises(ModelMissing, match="organisation/name"):
        home.find(name)


def test_the_nearest_source_is_taken_and_each_can_be_switched_off(home: Home) -> None:
    for where in (home.store, home.volume, home.image):
        home.put(where)
    with local_hub(repositories={NAME: {"model.nemo": nemo(b"of the hub")}}) as hub:
        sources = ("store", "volume", "image", "hub")
        for first, source in enumerate(sources):
            switches = ",".join(sources[first:])
            found = home.find(
                PARLEY_WEIGHTS_FROM=switches, HF_ENDPOINT=hub.url, HOME=str(home.root)
            )
            assert found.model.source == source
            assert (found.path / "model.nemo").exists()


def test_the_choice_the_revision_and_the_time_are_logged_and_reported(
    home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    snapshot = home.put(home.store)
    with caplog.at_level(logging.INFO):
        found = home.find()
    assert found.model.revision == snapshot.name
    assert found.model.seconds is not None
    assert found.model.seconds >= 0
    told = f"{NAME}: from the Model Store, revision {snapshot.name}, found in"
    assert any(told in message for message in caplog.messages)


def test_an_unknown_source_names_its_variable(home: Home) -> None:
    with pytest.raises(SettingsError, match="PARLEY_WEIGHTS_FROM"):
        home.settings(PARLEY_WEIGHTS_FROM="store,moon")


class TestModelStore:
    def test_case_does_not_count(self, home: Home) -> None:
        snapshot = home.put(home.store, "nvidia/some-model")
        found = home.find("NVIDIA/Some-Model")
        assert found.path == snapshot
        assert found.model.name == "NVIDIA/Some-Model"

    def test_without_a_ref_the_only_snapshot_counts(self, home: Home) -> None:
        snapshot = home.put(home.store)
        shutil.rmtree(snapshot.parent.parent / "refs")
        assert home.find().path == snapshot

    def test_of_several_snapshots_the_ref_decides(self, home: Home) -> None:
        snapshot = home.put(home.store)
        shutil.copytree(snapshot, snapshot.with_name("f" * 40), symlinks=True)
        assert home.find().path == snapshot
        (snapshot.parent.parent / "refs" / "main").unlink()
        with pytest.raises(ModelMissing, match="refs/main names no snapshot, and there are 2"):
            home.find()

    def test_nothing_is_written_to_it(self, home: Home) -> None:
        home.put(home.store)
        before = {path: path.lstat().st_mtime_ns for path in home.store.rglob("*")}
        home.find()
        assert {path: path.lstat().st_mtime_ns for path in home.store.rglob("*")} == before

    def test_loaders_are_kept_from_the_hub(self, home: Home) -> None:
        home.put(home.store)
        home.find()
        assert os.environ["HF_HUB_OFFLINE"] == "1"
        assert os.environ["TRANSFORMERS_OFFLINE"] == "1"

    def test_another_model_still_comes_from_the_hub(self, home: Home) -> None:
        """RunPod caches one model for an endpoint; the single endpoint needs two."""
        home.put(home.store)
        other = "nvidia/other"
        with local_hub(repositories={other: {"other.nemo": nemo(b"other")}}) as hub:
            settings = home.settings(HF_ENDPOINT=hub.url)
            huggingface_hub.constants.HF_HUB_OFFLINE = True  # as if it was imported afterwards
            assert find_weights(NAME, files=("*.nemo",), settings=settings).model.source == "store"
            assert find_weights(other, files=("*.nemo",), settings=settings).model.source == "hub"

    @pytest.mark.parametrize("harm", ["gone", "empty", "short", "changed"])
    def test_a_snapshot_that_is_not_whole_is_passed_over(
        self, home: Home, harm: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        snapshot = home.put(home.store)
        sound = home.put(home.volume)
        blob = (snapshot / "model.nemo").resolve()
        content = blob.read_bytes()
        match harm:
            case "gone":
                blob.unlink()
            case "empty":
                blob.write_bytes(b"")
            case "short":
                blob.write_bytes(content[:-1])
            case "changed":
                blob.write_bytes(b"x" + content[1:])
        found = home.find()
        assert (found.path, found.model.source) == (sound, "volume")
        warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
        assert any(f"{NAME} is not taken from the Model Store" in text for text in warnings)

    @pytest.mark.parametrize("path", ["a.nemo", "a.bin", "a.npz", "a.safetensors"])
    def test_a_short_file_is_known_by_its_format_where_no_digest_is(
        self, home: Home, path: str
    ) -> None:
        """Without links, files lie in the snapshot itself, and no name is a digest."""
        head = json.dumps({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
        whole = {
            "a.nemo": nemo(bytes(9000)),
            "a.bin": npz(),  # torch's files are zip files too
            "a.npz": npz(),
            "a.safetensors": len(head).to_bytes(8, "little") + head + bytes(8),
        }[path]
        file = home.store / "models--nvidia--some-model" / "snapshots" / "1" / path
        file.parent.mkdir(parents=True)
        file.write_bytes(whole)
        assert home.find(files=(path,)).path == file.parent
        file.write_bytes(whole[: len(whole) // 3])
        with pytest.raises(ModelMissing, match=f"{path} is cut short"):
            home.find(files=(path,))


class TestPipeline:
    """3.1 is named after one repository, and needs four."""

    NEEDED = (
        "pyannote/segmentation-3.0",
        "pyannote/wespeaker-voxceleb-resnet34-LM",
        "pyannote/speaker-diarization-community-1",
    )

    def put(self, home: Home, where: Path, *names: str) -> None:
        config = {
            "version": "3.1.0",
            "pipeline": {
                "name": "pyannote.audio.pipelines.SpeakerDiarization",
                "params": {
                    "clustering": "AgglomerativeClustering",
                    "embedding": self.NEEDED[1],
                    "segmentation": self.NEEDED[0],
                },
            },
        }
        if PIPELINE in names:
            home.put(where, PIPELINE, config_yaml=yaml.safe_dump(config).encode())
        for name in self.NEEDED[:2]:
            if name in names:
                home.put(where, name, pytorch_model__bin=b"x", pytorch_model_bin=npz())
        if self.NEEDED[2] in names:
            files = {"plda__plda_npz": npz(), "plda__xvec_transform_npz": npz()}
            home.put(where, self.NEEDED[2], **files)

    def test_every_repository_is_found_and_one_folder_made_of_them(self, home: Home) -> None:
        self.put(home, home.store, PIPELINE, *self.NEEDED)
        found = home.find(PIPELINE, files=PIPELINE_FILES)
        assert {part.name for part in found.parts} == set(self.NEEDED)
        read = yaml.safe_load((found.path / "config.yaml").read_text())["pipeline"]["params"]
        for role, file in [
            ("segmentation", "pytorch_model.bin"),
            ("embedding", "pytorch_model.bin"),
            ("plda", "plda.npz"),
        ]:
            assert read[role] == f"$model/{role}"
            assert (found.path / role / file).is_file()

    def test_what_is_made_of_parts_answers_as_the_whole_does(self, home: Home) -> None:
        """The demo's pipeline, taken apart as 3.1 is, loads with its very weights."""
        whole = find_weights(
            "parley/demo-speaker-diarization",
            files=PIPELINE_FILES,
            settings=home.settings(HF_HUB_CACHE=str(HUB)),
        ).path
        config = yaml.safe_load((whole / "config.yaml").read_text())
        for number, role in enumerate(("segmentation", "embedding")):
            model = (whole / role / "pytorch_model.bin").read_bytes()
            home.put(home.store, self.NEEDED[number], pytorch_model_bin=model)
            config["pipeline"]["params"][role] = self.NEEDED[number]
        del config["pipeline"]["params"]["plda"]
        plda = {
            f"plda__{name}_npz": (whole / "plda" / f"{name}.npz").read_bytes()
            for name in ("plda", "xvec_transform")
        }
        home.put(home.store, self.NEEDED[2], **plda)
        home.put(home.store, PIPELINE, config_yaml=yaml.safe_dump(config).encode())
        apart = home.find(PIPELINE, files=PIPELINE_FILES).path
        states = "\n".join(
            f"p = Pipeline.from_pretrained({str(path)!r}); print(*("
            "sum(float(w.double().abs().sum()) for w in m.state_dict().values()) "
            "for m in (p._segmentation.model, p._embedding.model_)), p._plda._plda_psi.sum())"
            for path in (whole, apart)
        )
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-c", f"from pyannote.audio import Pipeline\n{states}"],
            env={**os.environ, "PYANNOTE_METRICS_ENABLED": "0", "HF_HUB_OFFLINE": "1"},
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )
        first, second = done.stdout.split("\n")[-3:-1]
        assert first == second, done.stderr

    def test_a_part_that_is_not_cached_comes_from_elsewhere_and_is_named(
        self, home: Home, caplog: pytest.LogCaptureFixture
    ) -> None:
        self.put(home, home.store, PIPELINE, self.NEEDED[0], self.NEEDED[2])
        files = {"pytorch_model.bin": npz()}
        with local_hub(repositories={self.NEEDED[1]: files}) as hub:
            found = home.find(PIPELINE, files=PIPELINE_FILES, HF_ENDPOINT=hub.url)
        sources = {part.name: part.source for part in found.parts}
        assert sources == dict(zip(self.NEEDED, ("store", "hub", "store"), strict=True))
        assert f"embedding ({self.NEEDED[1]}) from the hub" in caplog.text

    def test_a_part_that_is_nowhere_is_named_beside_those_that_are_there(self, home: Home) -> None:
        self.put(home, home.store, PIPELINE, *self.NEEDED[:2])
        with pytest.raises(ModelMissing) as caught:
            home.find(PIPELINE, files=PIPELINE_FILES)
        message = str(caught.value)
        here, gone = message.split("Not found: ")
        assert all(f"{name} (store)" in here for name in (PIPELINE, *self.NEEDED[:2]))
        assert gone.startswith(f"{self.NEEDED[2]} (plda)")

    def test_a_file_that_the_configuration_names_belongs_to_the_snapshot(self, home: Home) -> None:
        demo = HUB / "models--parley--demo-speaker-diarization"
        home.store.mkdir()
        copy = shutil.copytree(demo, home.store / demo.name, symlinks=True)
        name = "parley/demo-speaker-diarization"
        assert home.find(name, files=PIPELINE_FILES).model.source == "store"
        shutil.rmtree(next((copy / "snapshots").iterdir()) / "embedding")
        with pytest.raises(ModelMissing, match=r"embedding/pytorch_model\.bin is missing"):
            home.find(name, files=PIPELINE_FILES)


class TestHub:
    def test_what_is_fetched_is_kept_in_the_hubs_own_layout(self, home: Home) -> None:
        files = {"model.nemo": nemo(bytes(5000)), "README.md": b"read me", "large.bin": bytes(5000)}
        with local_hub(repositories={NAME: files}) as hub:
            found = home.find(HF_ENDPOINT=hub.url)
            assert found.model.source == "hub"
            assert found.model.revision == REVISION
            assert home.find().model.source == "volume"
            kept = huggingface_hub.snapshot_download(
                NAME, cache_dir=home.volume, local_files_only=True, allow_patterns="*.nemo"
            )
        assert Path(kept) == found.path
        assert [path.name for path in found.path.iterdir()] == ["model.nemo"]
        assert hub.asked == {NAME: 1, f"{NAME}/model.nemo": 1}

    def test_a_damaged_or_broken_answer_is_asked_for_again(self, home: Home) -> None:
        content = nemo(os.urandom(20 * 2**20))
        for damage, cut in [(1, 0), (0, 2)]:
            shutil.rmtree(home.volume, ignore_errors=True)
            held = {NAME: {"model.nemo": content}}
            with local_hub(repositories=held, damage=damage, cut=cut) as hub:
                found = home.find(HF_ENDPOINT=hub.url)
            assert (found.path / "model.nemo").read_bytes() == content

    def test_the_token_opens_a_repository(self, home: Home) -> None:
        with local_hub(repositories={NAME: {"model.nemo": nemo(b"")}}) as hub:
            home.find(HF_ENDPOINT=hub.url, HF_TOKEN=TOKEN)
        assert hub.tokens == {f"Bearer {TOKEN}"}

    def test_an_unreachable_hub_names_what_to_do(self, home: Home) -> None:
        with pytest.raises(ModelMissing) as caught:
            home.find(PIPELINE)
        for part in (PIPELINE, "HF_HUB_CACHE", "HF_TOKEN", f"https://huggingface.co/{PIPELINE}"):
            assert part in str(caught.value)

    def test_offline_the_hub_is_not_asked(self, home: Home) -> None:
        with local_hub() as hub, pytest.raises(ModelMissing, match="HF_HUB_OFFLINE is set"):
            home.find(HF_ENDPOINT=hub.url, HF_HUB_OFFLINE="1")
        assert not hub.asked

    @pytest.mark.parametrize(
        ("token", "says"), [("", "HF_TOKEN is not set"), (TOKEN, "account without access")]
    )
    def test_a_gated_repository_names_page_and_variable(
        self, home: Home, token: str, says: str
    ) -> None:
        """Its listing is public: the hub refuses its files."""
        files = {"config.yaml": b"pipeline: {}"}
        with local_hub(repositories={PIPELINE: files}, gated={PIPELINE}) as hub:
            variables = {"HF_ENDPOINT": hub.url} | ({"HF_TOKEN": token} if token else {})
            with pytest.raises(ModelAccessDenied) as caught:
                home.find(PIPELINE, files=PIPELINE_FILES, **variables)
        for part in (PIPELINE, says, "HF_TOKEN", f"https://huggingface.co/{PIPELINE}"):
            assert part in str(caught.value)
        assert TOKEN not in str(caught.value)

    def test_an_unknown_repository_is_told_apart(self, home: Home) -> None:
        with local_hub() as hub, pytest.raises(ModelAccessDenied, match="knows no model"):
            home.find(HF_ENDPOINT=hub.url)

    def test_a_wrong_token_is_told_apart(self, home: Home) -> None:
        headers = {"X-Error-Message": "Invalid credentials in Authorization header"}
        denied = pytest.raises(ModelAccessDenied, match="HF_TOKEN is wrong")
        with local_hub(status=401, headers=headers) as hub, denied:
            home.find(HF_ENDPOINT=hub.url, HF_TOKEN=TOKEN)

    def test_a_repository_without_such_files_is_told_apart(self, home: Home) -> None:
        missing = pytest.raises(ModelMissing, match=r"holds no \*\.nemo")
        with local_hub(repositories={NAME: {"README.md": b"read me"}}) as hub, missing:
            home.find(HF_ENDPOINT=hub.url)

    def test_a_hub_that_fails_is_told_apart(self, home: Home) -> None:
        with local_hub(status=404) as hub, pytest.raises(ModelMissing, match="HTTP 404"):
            home.find(HF_ENDPOINT=hub.url)


class TestPlaces:
    def test_all_variables_lead_to_the_volume(self, home: Home, tmp_path: Path) -> None:
        volume = tmp_path / "runpod-volume"
        volume.mkdir()
        settings = home.settings()
        places = Places.of(settings.model_copy(update={"models_dir": None}), volume=volume)
        assert places.models == volume / "parley"
        for folder in (places.home, places.hub, places.torch):
            assert folder.is_relative_to(volume)

    def test_a_search_tells_them_to_all_libraries(self, home: Home) -> None:
        home.put(home.volume)
        home.find()
        root = home.root / "volume"
        assert os.environ["MODELS_DIR"] == str(root)
        assert os.environ["HF_HOME"] == str(root / "huggingface")
        assert os.environ["HF_HUB_CACHE"] == str(root / "huggingface" / "hub")
        assert os.environ["TORCH_HOME"] == str(root / "torch")

    def test_a_variable_that_is_set_is_kept(self, home: Home, tmp_path: Path) -> None:
        places = Places.of(home.settings(HF_HOME=str(tmp_path / "mine")))
        assert places.hub == tmp_path / "mine" / "hub"
        assert places.torch == home.root / "volume" / "torch"

    def test_without_a_volume_the_machines_own_caches_are_used(self, home: Home) -> None:
        settings = home.settings().model_copy(update={"models_dir": None})
        places = Places.of(settings, volume=home.root / "no-volume")
        assert places.models is None
        assert places.hub == Path("~/.cache/huggingface/hub").expanduser()


class TestImage:
    def test_it_is_used_in_place(self, home: Home) -> None:
        snapshot = home.put(home.image)
        found = home.find()
        assert (found.path, found.model.source) == (snapshot, "image")
        assert not home.volume.exists()

    def test_it_fills_an_empty_volume_once(self, home: Home) -> None:
        content = (home.put(home.image) / "model.nemo").read_bytes()
        first = home.find(PARLEY_IMAGE_SEEDS="1")
        assert first.model.source == "image"
        assert first.path.is_relative_to(home.volume)
        shutil.rmtree(home.image)
        then = home.find(PARLEY_IMAGE_SEEDS="1")
        assert (then.path, then.model.source) == (first.path, "volume")
        assert (then.path / "model.nemo").read_bytes() == content

    def test_where_the_volume_takes_nothing_it_is_used_in_place(self, home: Home) -> None:
        snapshot = home.put(home.image)
        closed = Path("/proc/self/none")
        found = home.find(PARLEY_IMAGE_SEEDS="1", HF_HUB_CACHE=str(closed))
        assert found.path == snapshot


def test_a_hub_that_does_not_answer_is_no_obstacle_to_what_is_near(home: Home) -> None:
    home.put(home.store)
    with local_hub() as hub:
        home.find(HF_ENDPOINT=hub.url)
    assert hub.asked == LocalHub().asked
