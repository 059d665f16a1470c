"""How accurate the product is on conversations nobody has heard: `python -m benchmarks.accuracy`.

It transcribes the sample meeting, ten fresh conversations of two, three and four speakers of the
cast, and recordings of silence and noise; scores the replies as `benchmarks.scoring` says; prints
a table; and writes the figures to `out/bench/accuracy.json`, the recordings and the replies beside
it. The conversations are the same each time, until `--seed` asks for others. Averages are over all
words, or all speech, of the conversations together.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Protocol

from benchmarks.scoring import Score, hypothesis_of, score
from demo.generate import conversation, still
from demo.meeting import SAMPLE
from demo.references import Case, read_case, write_case

Kind = Literal["sample", "conversation", "silence", "noise"]

SEED: Final = 2026
CONVERSATIONS: Final = 10
SPEAKERS: Final = (2, 3, 4)
STILL: Final = 3
"""How many recordings of silence, and how many of noise."""

_OUT: Final = Path("out/bench")
_SECONDS: Final = (60.0, 90.0)
_STILL_SECONDS: Final = (10.0, 10.0)


class Transcribe(Protocol):
    """Transcribes a recording: the product, however it is wired."""

    def __call__(self, recording: Path, /) -> Mapping[str, Any]:
        """Answer with the reply to a job that sends this recording."""
        ...


@dataclass(frozen=True, slots=True)
class Result:
    """One recording, what it holds, and how well that was found."""

    kind: Kind
    truth: Case
    score: Score


@dataclass(frozen=True, slots=True)
class Target:
    """A promise and what came of it."""

    promise: str
    found: str
    met: bool


def recordings(folder: Path, *, seed: int = SEED) -> Iterator[tuple[Kind, Path, Case]]:
    """The sample, then the fresh recordings, written to a folder one by one.

    Yields:
        What kind a recording is, where it is, and the truth about it.

    """
    yield "sample", SAMPLE / "meeting.flac", read_case(SAMPLE, "meeting")
    for number in range(CONVERSATIONS):
        name = f"conversation-{seed}-{number:02}"
        count = SPEAKERS[number % len(SPEAKERS)]
        pieces = conversation(seed=name, speakers=(count, count), seconds=_SECONDS)
        yield "conversation", folder / f"{name}.flac", write_case(folder, name, pieces)
    kinds: tuple[Literal["silence", "noise"], ...] = ("silence", "noise")
    for kind in kinds:
        for number in range(STILL if kind == "noise" else 1):
            name = f"{kind}-{seed}-{number:02}"
            nobody = still(kind, seed=name, seconds=_STILL_SECONDS)
            yield kind, folder / f"{name}.flac", write_case(folder, name, nobody)


def measure(
    transcribe: Transcribe,
    folder: Path,
    *,
    seed: int = SEED,
    report: Callable[[Result], None] = lambda _: None,
) -> list[Result]:
    """Transcribe and score every recording.

    Args:
        transcribe: the product.
        folder: where recordings, their references and the replies are written.
        seed: another one makes other conversations.
        report: called with each result as it comes.

    """
    results = []
    for kind, path, truth in recordings(folder, seed=seed):
        reply = transcribe(path)
        (folder / f"{truth.name}.json").write_text(json.dumps(reply, indent=1))
        result = Result(kind, truth, score(truth, hypothesis_of(reply)))
        report(result)
        results.append(result)
    return results


def together(results: Sequence[Result], *kinds: Kind) -> Score:
    """The score of all recordings of some kinds together."""
    return sum((r.score for r in results if r.kind in kinds), Score())


def targets(results: Sequence[Result]) -> list[Target]:
    """What was promised of the results, and what came of it."""
    sample = together(results, "sample")
    talks = together(results, "conversation")
    empty = together(results, "silence", "noise")
    return [
        _most("sample: cpWER", sample.cpwer.value, 0.10),
        _most("sample: DER", sample.der.value, 0.10),
        _counted("sample: right number of speakers", sample, 1),
        _most("conversations: cpWER on average", talks.cpwer.value, 0.15),
        _most("conversations: DER on average", talks.der.value, 0.15),
        _counted("conversations: right number of speakers in at least 8", talks, 8),
        Target(
            "silence and noise: no words", f"{empty.words_found} words", met=not empty.words_found
        ),
    ]


def table(results: Sequence[Result]) -> str:
    """The results in lines, with the conversations together at the end."""
    rows = [_row(result.truth.name, result.truth.seconds, result.score) for result in results]
    talks = [result for result in results if result.kind == "conversation"]
    if talks:
        seconds = sum(result.truth.seconds for result in talks)
        rows.append(_row("conversations", seconds, together(talks, "conversation")))
    return "\n".join([_HEAD, *rows])


def document(results: Sequence[Result], *, seed: int) -> dict[str, Any]:
    """Every figure, ready for JSON."""
    return {
        "seed": seed,
        "recordings": [
            {
                "name": result.truth.name,
                "kind": result.kind,
                "seconds": round(result.truth.seconds, 3),
                "overlap_seconds": round(result.truth.overlap, 3),
                **result.score.as_dict(),
            }
            for result in results
        ],
        "conversations": together(results, "conversation").as_dict(),
        "targets": [
            {"promise": target.promise, "found": target.found, "met": target.met}
            for target in targets(results)
        ],
    }


def saved_replies(folder: Path) -> Transcribe:
    """Read each recording's reply from `<name>.json` in a folder, instead of transcribing it."""

    def transcribe(recording: Path) -> Mapping[str, Any]:
        path = folder / f"{recording.stem}.json"
        if not path.is_file():
            sys.exit(f"{path} is not there: the folder needs a reply for every recording.")
        reply: Mapping[str, Any] = json.loads(path.read_text())
        return reply

    return transcribe


def main(arguments: Sequence[str] | None = None, *, transcribe: Transcribe | None = None) -> int:
    """Run the command; returns the exit status, 0 also where a target is missed.

    Args:
        arguments: of the command line.
        transcribe: the product; the one in this process where None.

    """
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.accuracy",
        description="Measure word and speaker errors on fresh conversations.",
    )
    parser.add_argument("--seed", type=int, default=SEED, help=f"other conversations ({SEED})")
    parser.add_argument("--out", type=Path, default=_OUT, help=f"where to write ({_OUT})")
    parser.add_argument(
        "--replies", type=Path, help="score the replies <name>.json of a folder; transcribe nothing"
    )
    parser.add_argument("--models", choices=("demo", "real"), default="demo")
    options = parser.parse_args(arguments)
    folder = options.out / "accuracy"
    folder.mkdir(parents=True, exist_ok=True)
    print(_HEAD)
    results = measure(
        transcribe or _chosen(options),
        folder,
        seed=options.seed,
        report=lambda r: print(_row(r.truth.name, r.truth.seconds, r.score), flush=True),
    )
    print(table(results).splitlines()[-1])
    print()
    for target in targets(results):
        print(f"{'met   ' if target.met else 'MISSED'}  {target.promise}: {target.found}")
    path = options.out / "accuracy.json"
    path.write_text(json.dumps(document(results, seed=options.seed), indent=1) + "\n")
    print(f"\n{path}")
    return 0


def _chosen(options: argparse.Namespace) -> Transcribe:
    if options.replies:
        return saved_replies(options.replies)
    from benchmarks.local import local_transcribe  # noqa: PLC0415  # the engines' libraries load

    return local_transcribe(models=options.models)


_COLUMNS: Final = ("cpWER", "tcpWER", "WER", "DER", "missed", "invented", "confused", "attributed")
_HEAD: Final = f"{'recording':24} {'s':>6} {'speakers':>8} {'words':>11} " + " ".join(
    f"{name:>10}" for name in _COLUMNS
)


def _row(name: str, seconds: float, found: Score) -> str:
    rates = (
        found.cpwer, found.tcpwer, found.wer,
        found.der, found.missed, found.false_alarm, found.confusion, found.attributed,
    )  # fmt: skip
    return (
        f"{name:24} {seconds:6.1f} {f'{found.speakers_found} of {found.speakers}':>8} "
        f"{f'{found.words_found} of {round(found.cpwer.whole)}':>11} "
        + " ".join(f"{_per_cent(rate.value):>10}" for rate in rates)
    )


def _most(promise: str, value: float | None, limit: float) -> Target:
    met = value is not None and value <= limit
    return Target(f"{promise} at most {_per_cent(limit)}", _per_cent(value), met)


def _counted(promise: str, found: Score, least: int) -> Target:
    right, of = round(found.counted.part), round(found.counted.whole)
    return Target(promise, f"{right} of {of}", right >= least)


def _per_cent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


if __name__ == "__main__":
    sys.exit(main())
