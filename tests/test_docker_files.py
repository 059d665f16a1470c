"""What the Dockerfiles, the bake file and the locks say, without building anything."""

import ast
import fnmatch
import re
import subprocess
import sys
import sysconfig
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).parents[1]
DOCKER: Final = ROOT / "docker"
LOCKS: Final = DOCKER / "locks"
SCRIPTS: Final = Path(sysconfig.get_path("scripts"))
IMAGES: Final = ("orchestrator", "transcription", "diarization", "single")
ENGINES: Final = ("transcription", "diarization", "single")
TARGETS: Final = {
    "orchestrator": {"thin"},
    "transcription": {"thin", "baked"},
    "diarization": {"thin", "baked"},
    "single": {"thin", "baked-diarizer", "baked"},
}
SECRET: Final = re.compile(r"token|secret|passw|credential|api_?key", re.IGNORECASE)
OF_CODE: Final = ("COPY", "--from=code /layers/code/ /")


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of a Dockerfile: what it stands on, and its instructions with their arguments."""

    base: str
    instructions: list[tuple[str, str]] = field(default_factory=list)


def lines(text: str) -> list[str]:
    """The instructions of a Dockerfile, one a line."""
    kept = (line for line in text.splitlines() if not re.match(r"\s*(#|$)", line))
    return re.sub(r"\s*\\\n\s*", " ", "\n".join(kept)).splitlines()


def stages(image: str) -> dict[str, Stage]:
    """The stages of an image's Dockerfile by their names; that of the default is empty."""
    found: dict[str, Stage] = {}
    current: Stage | None = None
    for line in lines((DOCKER / f"{image}.Dockerfile").read_text()):
        instruction, _, arguments = line.partition(" ")
        if instruction == "FROM":
            base, _, name = arguments.partition(" AS ")
            current = found[name] = Stage(base)
        elif current:
            current.instructions.append((instruction, arguments))
    return found


def whole(image: str, target: str) -> list[tuple[str, str]]:
    """Everything that makes a target, from the base image on."""
    known = stages(image)
    stage = known[target]
    return [*(whole(image, stage.base) if stage.base in known else []), *stage.instructions]


def targets() -> list[tuple[str, str]]:
    return [(image, target) for image in IMAGES for target in sorted(TARGETS[image])]


# --- the Dockerfiles


@pytest.mark.parametrize("image", IMAGES)
def test_every_stage_stands_on_the_base_image_or_on_another_stage(image: str) -> None:
    text = (DOCKER / f"{image}.Dockerfile").read_text()
    known = stages(image)
    assert lines(text)[0] == "ARG BASE_IMAGE=python:3.11-slim-bookworm"
    assert {stage.base for stage in known.values()} <= {"${BASE_IMAGE}", *known}
    assert TARGETS[image] <= set(known)
    for target in ("", "thin"):  # what is built where none is named
        assert whole(image, target) == whole(image, "thin") if image in ENGINES else True


@pytest.mark.parametrize("image", IMAGES)
def test_buildkit_buildah_and_podman_all_understand_it(image: str) -> None:
    text = (DOCKER / f"{image}.Dockerfile").read_text()
    assert not re.search(r"^#\s*(syntax|escape)\s*=", text, re.MULTILINE)
    assert "<<" not in text
    assert "--link" not in text
    assert "HEALTHCHECK" not in text


@pytest.mark.parametrize(("image", "target"), targets())
def test_a_worker_is_not_root_and_hears_the_signals(image: str, target: str) -> None:
    made = whole(image, target)
    assert [arguments for name, arguments in made if name == "USER"] == ["10001"]
    assert [a for name, a in made if name == "ENTRYPOINT"] == ['["/usr/bin/tini", "--"]']
    module = "orchestrator.handler" if image == "orchestrator" else f"handlers.{image}"
    assert [a for name, a in made if name == "CMD"] == [f'["python", "-m", "{module}"]']
    assert (ROOT / f"{module.replace('.', '/')}.py").exists()


@pytest.mark.parametrize(("image", "target"), targets())
def test_what_changes_most_comes_last(image: str, target: str) -> None:
    copied = [(n, a) for n, a in whole(image, target) if n in {"COPY", "ADD", "RUN"}]
    assert copied[-1] == OF_CODE
    assert copied.count(OF_CODE) == 1
    layers = [a.split("/")[2] for n, a in copied if a.startswith("--from=build /layers/")]
    expected = ["packages"] if image == "orchestrator" else ["cuda", "cudnn", "torch", "packages"]
    assert layers == expected
    if target.startswith("baked"):
        assert copied[-2][1].endswith("/home/parley/weights/ /")


@pytest.mark.parametrize(("image", "target"), targets())
def test_nothing_is_installed_in_what_is_shipped(image: str, target: str) -> None:
    ran = " ".join(arguments for name, arguments in whole(image, target) if name == "RUN")
    assert "rm -rf /usr/local/lib/python3.11/site-packages/*" in ran  # pip, of the base image
    assert not re.search(r"apt|pip install|uv |curl|wget", ran)


@pytest.mark.parametrize("image", IMAGES)
def test_no_secret_is_an_argument_or_a_variable(image: str) -> None:
    for name, stage in stages(image).items():
        for instruction, arguments in stage.instructions:
            if instruction in {"ARG", "ENV", "LABEL"}:
                assert not SECRET.search(arguments), (name, arguments)
            if "type=secret" in arguments:
                assert "weights" in name  # a stage of which one folder alone is shipped


@pytest.mark.parametrize("image", IMAGES)
def test_it_says_what_it_is_and_where_it_comes_from(image: str) -> None:
    steps = list(whole(image, "thin"))
    labels = " ".join(a for name, a in steps if name == "LABEL")
    found = dict(re.findall(r'org\.opencontainers\.image\.(\w+)="([^"]*)"', labels))
    assert steps[-1][0] == "LABEL"  # what follows the code is never out of a builder's cache
    assert found["title"] == f"parley-{image}"
    assert {k: found[k] for k in ("source", "revision", "version")} == {
        "source": "${SOURCE}",
        "revision": "${REVISION}",
        "version": "${VERSION}",
    }


@pytest.mark.parametrize("image", IMAGES)
def test_bytecode_is_not_written_where_it_would_be_lost(image: str) -> None:
    variables = " ".join(a for name, a in whole(image, "thin") if name == "ENV")
    assert "PYTHONDONTWRITEBYTECODE=1" in variables
    assert "RUNPOD_LOG_LEVEL=INFO" in variables
    assert ("RUNPOD_MIN_MEMORY_GB=0.5" in variables) == (image == "orchestrator")
    assert ("NVIDIA_DRIVER_CAPABILITIES=compute,utility" in variables) == (image in ENGINES)
    built = [a for _, stage in stages(image).items() for n, a in stage.instructions if n == "ENV"]
    assert len(built) == 1  # and none of these in a stage that compiles


@pytest.mark.parametrize("image", IMAGES)
def test_what_it_copies_is_sent_to_the_builder(image: str) -> None:
    ignored = (ROOT / ".dockerignore").read_text().split("\n")
    allowed = [line.removeprefix("!") for line in ignored if line.startswith("!")]
    assert "*" in ignored
    for stage in stages(image).values():
        for instruction, arguments in stage.instructions:
            if instruction != "COPY" or arguments.startswith("--from"):
                continue
            for source in arguments.split()[:-1]:
                assert (ROOT / source).exists()
                tops = {source, *(p.as_posix() for p in Path(source).parents)}
                assert any(fnmatch.fnmatch(t, a) for t in tops for a in allowed), source


def tool(name: str) -> Path:
    """A linter that the development lock brings."""
    path = SCRIPTS / name
    assert path.exists(), f"make setup installs {name}"
    return path


def test_hadolint_finds_nothing() -> None:
    files = sorted(DOCKER.glob("*.Dockerfile"))
    assert len(files) == len(IMAGES)
    command: list[str | Path] = [tool("hadolint"), "--config", DOCKER / "hadolint.yaml", *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stdout


def test_shellcheck_finds_nothing() -> None:
    scripts = [*sorted(DOCKER.rglob("*.sh")), ROOT / ".ci" / "run"]
    done = subprocess.run(  # noqa: S603
        (tool("shellcheck"), "--enable=all", "--exclude=SC2250,SC2310,SC2312", *scripts),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


# --- the bake file


BAKE: Final = (DOCKER / "docker-bake.hcl").read_text()


def block(kind: str, name: str) -> str:
    found = re.search(rf'^{kind} "{name}" {{\n(.*?)^}}', BAKE, re.MULTILINE | re.DOTALL)
    assert found, f"there is no {kind} {name}"
    return found[1]


def value(target: str, key: str) -> str:
    """What a target says, or what it inherits."""
    body = block("target", target)
    if found := re.search(rf'^  {key}\s+= \[?"([^"]*)"', body, re.MULTILINE):
        return found[1]
    inherited = re.search(r'inherits\s+= \["(\w+)"\]', body)
    assert inherited, f"{target} has no {key}"
    return value(inherited[1], key)


@pytest.mark.parametrize(("image", "target"), targets())
def test_each_target_can_be_baked_under_its_name(image: str, target: str) -> None:
    suffix = "" if target == "thin" else f"-{target}"
    baked = f"{image}{suffix}"
    assert value(baked, "dockerfile") == f"docker/{image}.Dockerfile"
    assert value(baked, "target") == target
    assert value(baked, "tags") == f"${{REGISTRY}}/parley-{image}:${{TAG}}{suffix}"
    assert value(baked, "platforms") == "linux/amd64"
    group = "default" if target == "thin" else "baked"
    assert f'"{baked}"' in block("group", group)


def test_every_variable_of_the_bake_file_is_declared() -> None:
    declared = set(re.findall(r'^variable "(\w+)"', BAKE, re.MULTILINE))
    used = set(re.findall(r"\$\{(\w+)\}", BAKE))
    used |= set(re.findall(r"^    \w+\s+= ([A-Z_]+)$", BAKE, re.MULTILINE))
    assert used == declared
    assert {"REGISTRY", "TAG", "BASE_IMAGE", "COMPRESSION"} <= declared
    assert 'default = "gzip"' in block("variable", "COMPRESSION")


def test_a_token_is_a_secret_of_those_that_fetch_weights() -> None:
    assert 'secret = ["id=HF_TOKEN,env=HF_TOKEN"]' in block("target", "_baked")
    assert BAKE.count("HF_TOKEN") == 2
    assert not SECRET.search(re.sub(r"secret = .*|#.*", "", BAKE))


# --- the locks


def locked(name: str) -> dict[str, str]:
    text = (LOCKS / f"{name}.txt").read_text()
    return dict(re.findall(r"^([a-z0-9.-]+)(?:\[.*?\])?==(\S+)", text, re.MULTILINE))


def asked(name: str) -> list[Requirement]:
    """What a lock was made for, with what it includes."""
    found = []
    for line in (LOCKS / f"{name}.in").read_text().splitlines():
        wanted = line.partition("#")[0].strip()
        if included := re.fullmatch(r"-r (\w+)\.in", wanted):
            found += asked(included[1])
        elif wanted and not wanted.startswith("-c"):
            found.append(Requirement(wanted))
    return found


@pytest.mark.parametrize("name", sorted(path.stem for path in LOCKS.glob("*.in")))
def test_a_lock_holds_what_was_asked_for_with_checksums_and_no_host(name: str) -> None:
    held = locked(name)
    for wanted in asked(name):
        assert wanted.specifier.contains(held[canonicalize_name(wanted.name)]), wanted
    text = (LOCKS / f"{name}.txt").read_text()
    entries = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert len(entries) == len(held)
    assert all("--hash=sha256:" in entry for entry in entries)
    assert not re.search(r"https?://|--index|--find-links|file:", text)


@pytest.mark.parametrize("name", ["transcription", "diarization"])
def test_the_engines_have_the_same_versions_together_and_apart(name: str) -> None:
    assert locked(name).items() <= locked("single").items()


@pytest.mark.parametrize("name", ENGINES)
def test_what_is_excluded_is_in_no_image(name: str) -> None:
    excluded = (LOCKS / "excluded.txt").read_text()
    names = re.findall(r"^([a-z][\w-]*)", excluded, re.MULTILINE)
    assert names
    assert locked(name).keys().isdisjoint(names)
    assert ("nemo-toolkit" in locked(name)) == (name != "diarization")
    assert ("pyannote-audio" in locked(name)) == (name != "transcription")


def test_the_images_and_the_development_environment_have_the_same_versions() -> None:
    everything = locked("dev")
    for name in ENGINES:
        differing = {k: v for k, v in locked(name).items() if everything.get(k, v) != v}
        assert differing == {}


def test_the_scripts_of_the_builds_need_nothing_but_python() -> None:
    for script in sorted((DOCKER / "steps").glob("*.py")):
        if not script.stem.startswith("smoke_"):
            tree = ast.parse(script.read_text())
            imported = [n for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)]
            names = {n.module or "" for n in imported if isinstance(n, ast.ImportFrom)}
            names |= {a.name for n in imported if isinstance(n, ast.Import) for a in n.names}
            assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names, script
