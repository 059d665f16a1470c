"""Where weights are found, and what is said when they are not."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from demo.hub import publish
from handlers.errors import ModelAccessDenied, ModelMissing
from handlers.settings import Settings
from handlers.weights import find_weights

NAME = "pyannote/some-pipeline"
TOKEN = "hf_notarealtokenatall"  # noqa: S105


def settings(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return Settings.read()


@contextmanager
def hub(status: int, headers: dict[str, str]) -> Iterator[str]:
    """A hub on loopback that gives one answer to everything."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def test_a_local_folder_is_used_in_place(tmp_path: Path) -> None:
    found = find_weights(str(tmp_path), files=("*.nemo",), settings=Settings())
    assert found.path == tmp_path
    assert found.model.source == "local"


def test_the_cache_is_asked_before_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "model.nemo"
    file.write_bytes(b"weights")
    cache = tmp_path / "hub"
    snapshot = publish("org/name", {"model.nemo": file}, hub=cache)
    chosen = settings(monkeypatch, HF_HUB_CACHE=str(cache), HF_ENDPOINT="http://127.0.0.1:1")
    found = find_weights("org/name", files=("*.nemo",), settings=chosen)
    assert found.path == snapshot
    assert (found.path / "model.nemo").read_bytes() == b"weights"
    assert found.model.revision == snapshot.name
    assert found.model.source == "volume"


@pytest.mark.parametrize("name", ["./nowhere", "/no/such/folder", "word", "a/b/c"])
def test_what_is_neither_path_nor_repository_is_missing(name: str) -> None:
    with pytest.raises(ModelMissing, match="organisation/name"):
        find_weights(name, files=("*",), settings=Settings())


def test_an_unreachable_hub_names_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    chosen = settings(monkeypatch, HF_HUB_CACHE=str(tmp_path), HF_ENDPOINT="http://127.0.0.1:1")
    with pytest.raises(ModelMissing) as caught:
        find_weights(NAME, files=("*",), settings=chosen)
    for part in (NAME, "HF_HUB_CACHE", "HF_TOKEN", f"https://huggingface.co/{NAME}"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("token", "says"), [("", "HF_TOKEN is not set"), (TOKEN, "account without access")]
)
def test_a_gated_repository_names_page_and_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, token: str, says: str
) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    variables = {"HF_HUB_CACHE": str(tmp_path)} | ({"HF_TOKEN": token} if token else {})
    with hub(403, {"X-Error-Code": "GatedRepo"}) as endpoint:
        chosen = settings(monkeypatch, HF_ENDPOINT=endpoint, **variables)
        with pytest.raises(ModelAccessDenied) as caught:
            find_weights(NAME, files=("*",), settings=chosen)
    for part in (NAME, says, "HF_TOKEN", f"https://huggingface.co/{NAME}"):
        assert part in str(caught.value)
    assert TOKEN not in str(caught.value)


def test_an_unknown_repository_is_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hub(404, {"X-Error-Code": "RepoNotFound"}) as endpoint:
        chosen = settings(monkeypatch, HF_HUB_CACHE=str(tmp_path), HF_ENDPOINT=endpoint)
        with pytest.raises(ModelAccessDenied, match="knows no model"):
            find_weights(NAME, files=("*",), settings=chosen)
