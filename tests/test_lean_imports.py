"""What workers do not import, and that nobody can tell."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from demo.hub import ENVIRONMENT
from handlers.lean_imports import SWITCH
from handlers.unneeded import PUT_OFF

ROOT: Final = Path(__file__).parents[1]

_ENGINES: Final = """
import asyncio, json, sys
from pathlib import Path
from handlers.audio import Recording
from handlers.diarizer import SpeakerCount
from handlers.parakeet import load_parakeet
from handlers.pyannote_diarizer import load_pyannote
from handlers.settings import Settings
import numpy as np, soundfile

samples, rate = soundfile.read("demo/sample/meeting.flac", dtype="float32", stop=16_000 * 20)
audio = Recording(samples=samples, sha256="", bytes=0,
                  container="flac", codec="flac", original_sample_rate=rate, channels=1)

async def answers():
    settings = Settings()
    words = await load_parakeet(settings).transcribe(audio, language=None, progress=lambda _: None)
    turns = await load_pyannote(settings).diarize(
        audio, speakers=SpeakerCount(), progress=lambda _: None)
    return words, turns

words, turns = asyncio.run(answers())
from handlers.lean_imports import put_off
print(json.dumps({
    "words": repr(words.words),
    "turns": repr((turns.turns, turns.exclusive, turns.embeddings)),
    "waiting": sorted(put_off()),
    "modules": len(sys.modules),
}))
"""


def python(code: str, **environment: str) -> Any:
    """Run code in an interpreter of its own; what it prints last, read as JSON."""
    kept = {k: v for k, v in os.environ.items() if k != SWITCH}
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=kept | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def lean() -> Mapping[str, Any]:
    found: Mapping[str, Any] = python(_ENGINES, **ENVIRONMENT)
    return found


@pytest.fixture(scope="module")
def plain() -> Mapping[str, Any]:
    found: Mapping[str, Any] = python(_ENGINES, **ENVIRONMENT, **{SWITCH: "0"})
    return found


def test_engines_answer_the_same_to_the_last_digit_with_everything_imported(
    lean: Mapping[str, Any], plain: Mapping[str, Any]
) -> None:
    assert lean["words"] == plain["words"]
    assert lean["turns"] == plain["turns"]
    assert "report" in lean["words"]


def test_the_switch_imports_everything(plain: Mapping[str, Any]) -> None:
    assert plain["waiting"] == []


def test_a_quarter_of_the_modules_is_never_imported(
    lean: Mapping[str, Any], plain: Mapping[str, Any]
) -> None:
    assert lean["modules"] < 0.75 * plain["modules"]


def test_what_is_put_off_is_still_waiting_after_both_engines_have_answered(
    lean: Mapping[str, Any],
) -> None:
    """An upgrade that uses one of these at every start makes its entry pointless: drop it then."""
    used_by_the_diarizer = {"scipy.ndimage", "scipy.optimize"}
    never_reached = {
        name
        for name in PUT_OFF
        if name.rpartition(".")[0] in lean["waiting"] or name in used_by_the_diarizer
    }
    assert set(PUT_OFF) - set(lean["waiting"]) - never_reached == set()


def test_every_entry_names_a_module_that_exists() -> None:
    missing = python(
        "import json; from importlib.util import find_spec;"
        "from handlers.lean_imports import import_leanly; import_leanly();"
        "from handlers.unneeded import PUT_OFF, RE_EXPORTS;"
        "print(json.dumps([name for name in [*PUT_OFF, *RE_EXPORTS] if not find_spec(name)]))"
    )
    assert missing == []


def test_a_module_that_waits_runs_for_whoever_uses_it() -> None:
    found = python(
        "from handlers.lean_imports import import_leanly, put_off; import_leanly();"
        "import json, sys; import pandas; waited = 'pandas' in put_off();"
        "frame = pandas.DataFrame({'a': [1, 2]});"
        "print(json.dumps([waited, int(frame['a'].sum()), 'pandas' in put_off()]))"
    )
    assert found == [True, 3, False]


def test_a_submodule_of_a_module_that_waits_makes_it_run_first() -> None:
    found = python(
        "from handlers.lean_imports import import_leanly, put_off; import_leanly();"
        "import json, pandas; import pandas.api.types;"
        "print(json.dumps(['pandas' in put_off(), pandas.api.types.is_integer_dtype('int64')]))"
    )
    assert found == [False, True]


def test_promises_are_kept_when_they_are_called_derived_from_and_asked_for_instances() -> None:
    found = python(
        "from handlers.lean_imports import import_leanly, put_off; import_leanly();"
        "import json; from networkx import Graph; from scipy.optimize import linear_sum_assignment;"
        "before = isinstance(1, Graph), 'networkx' in put_off();"
        "graph = Graph([(1, 2)]);"
        "Own = type(Graph)('Own', (Graph,), {});"
        "rows, columns = linear_sum_assignment([[1, 0], [0, 1]]);"
        "print(json.dumps([*before, isinstance(graph, Graph), isinstance(Own(), Graph),"
        " graph.number_of_edges(), columns.tolist()]))"
    )
    assert found == [False, True, True, True, 1, [1, 0]]


def test_who_compiles_finds_what_operators_do_without_content() -> None:
    found = python(
        "from handlers.lean_imports import import_leanly, put_off; import_leanly();"
        "import json, torch; from torch._subclasses import FakeTensorMode;"
        "waited = 'torch._meta_registrations' in put_off();"
        "compiled = torch.compile(lambda x: torch.nn.functional.embedding_bag("
        "torch.zeros(2, dtype=torch.long), x, torch.tensor([0])), backend='eager');"
        "shape = list(compiled(torch.ones(3, 4)).shape);"
        "print(json.dumps([waited, shape, 'torch._meta_registrations' in put_off()]))"
    )
    assert found == [True, [1, 4], False]


def test_the_sdk_is_imported_without_a_second_python() -> None:
    started = python(
        "import json, sys; started = [];"
        "sys.addaudithook(lambda name, _: started.append(name) if 'Popen' in name else None);"
        "from handlers.lean_imports import import_leanly; import_leanly(); import runpod;"
        "print(json.dumps(started))"
    )
    assert started == []


def test_the_sdk_hears_the_processors_name() -> None:
    found = python(
        "from handlers.lean_imports import import_leanly; import_leanly(); import cpuinfo, json;"
        "print(json.dumps(cpuinfo.get_cpu_info()['brand_raw']))"
    )
    names = {
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    }
    assert found in (names or {""})


_LATE: Final = """
import json, sys, threading, time
from handlers.lean_imports import import_leanly, put_off
import_leanly({"late": ("Thing",)})
import late

def asked_by(threads, question):
    answers = [None] * threads
    together = threading.Barrier(threads)

    def ask(number):
        together.wait()
        try:
            answers[number] = question(number)
        except Exception as error:
            answers[number] = f"{type(error).__name__}: {error}"

    asking = [threading.Thread(target=ask, args=(number,)) for number in range(threads)]
    for thread in asking: thread.start()
    for thread in asking: thread.join()
    return answers
"""


def late(tmp_path: Path, *, init: str, ask: str, **modules: str) -> Any:
    """Put a package off, ask for it as `ask` does, and give what that prints."""
    (tmp_path / "late").mkdir()
    (tmp_path / "late" / "__init__.py").write_text(init)
    for name, source in modules.items():
        (tmp_path / f"{name.replace('__', '/')}.py").write_text(source)
    return python(_LATE + ask, PYTHONPATH=str(tmp_path))


_SLOW: Final = """
import sys, time
runs = getattr(sys, "runs", 0) + 1
sys.runs = runs
table = {}
time.sleep(0.3)
table["last"] = "entry"
class Thing: pass
last = "line"
"""


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("late.last", "line"),
        ("late.table['last']", "entry"),
        ("type(late.Thing()).__name__", "Thing"),
    ],
)
def test_threads_that_wake_a_module_at_once_all_see_the_whole_of_it(
    tmp_path: Path, question: str, answer: str
) -> None:
    found = late(
        tmp_path,
        init=_SLOW,
        ask=f"answers = asked_by(8, lambda number: {question});"
        "print(json.dumps([answers, sys.runs, 'late' in put_off()]))",
    )
    assert found == [[answer] * 8, 1, False]


def test_a_thread_that_comes_while_a_module_runs_waits_for_all_of_it(tmp_path: Path) -> None:
    found = late(
        tmp_path,
        init=_SLOW,
        ask="from_another = lambda: (time.sleep(0.1), late.table['last'])[1];"
        "print(json.dumps(asked_by(2, lambda n: from_another() if n else late.last)))",
    )
    assert found == ["line", "entry"]


def test_a_submodule_waits_for_the_package_that_another_thread_wakes(tmp_path: Path) -> None:
    found = late(
        tmp_path,
        init=_SLOW,
        late__below="import late\nwhole = 'last' in vars(late)",
        ask="below = lambda: (time.sleep(0.1), __import__('late.below'), late.below.whole)[2];"
        "print(json.dumps(asked_by(2, lambda n: below() if n else late.last)))",
    )
    assert found == ["line", True]


def test_a_module_that_asks_itself_while_it_runs_is_told_what_is_there(tmp_path: Path) -> None:
    found = late(
        tmp_path,
        init="first = 1\nfrom late import below\nlast = 2",
        late__below="import late\nseen = [late.first, hasattr(late, 'last')]",
        ask="print(json.dumps([late.last, late.below.seen]))",
    )
    assert found == [2, [1, False]]


_BROKEN: Final = """
half = "of it"
import late.below
class Thing: pass
import missing_for_now
last = "line"
"""


def test_a_module_that_fails_goes_on_waiting_and_says_why_each_time(tmp_path: Path) -> None:
    found = late(
        tmp_path,
        init=_BROKEN,
        late__below="value = 3",
        ask="""
errors = asked_by(4, lambda number: [late.last, late.half, late.Thing(), late.below][number])
errors += [asked_by(1, question) [0] for question in (
    lambda _: late.last, lambda _: late.half, lambda _: late.Thing(), lambda _: late.nothing)]
waits = "late" in put_off()
sys.modules["missing_for_now"] = json
print(json.dumps([sorted(set(errors)), waits, late.last, late.half, late.below.value,
                  type(late.Thing()).__name__, "late" in put_off()]))
""",
    )
    assert found == [
        ["ModuleNotFoundError: No module named 'missing_for_now'"],
        True,
        "line",
        "of it",
        3,
        "Thing",
        False,
    ]
