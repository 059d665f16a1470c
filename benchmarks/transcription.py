"""What batches are worth: `python -m benchmarks.transcription`.

Two measurements with the demo's model, on this machine's processor or GPU:

long    one conversation, through Parley's transcriber, against the same model called by NeMo's own
        `transcribe` once per utterance, and once for the list of all utterances in batches. The
        others are given the true bounds of the utterances, which Parley must do without.
jobs    32 short recordings through Parley's transcriber, all at once, against one after another.

Each contender has a process of its own, as it would have in use: torch's helping threads get in
each other's way. They take turns, so that what else the machine does meets all of them. Printed and
written to `out/bench/transcription.json` are medians, least and most, and the word error rate of
each. The floor is what the encoder alone takes for as much audio in batches without any padding.
"""

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import Any, Final, TypeVar

import kaldialign
import numpy as np

from benchmarks.scoring import normalise
from demo.generate import conversation
from demo.hub import HUB, TRANSCRIBER
from demo.references import Case, segment_of
from handlers.audio import Recording
from handlers.audio.tape import SAMPLE_RATE, Samples
from handlers.loading import keep_one_heap
from handlers.parakeet import ParakeetTranscriber, load_parakeet
from handlers.progress import ignore
from handlers.settings import Settings
from handlers.timeline import Word

_OUT: Final = Path("out/bench")
_MINUTES: Final = 60.0
_PAIRS: Final = 5
_SEED: Final = 2026
_SPEAKERS: Final = 4
_JOBS: Final = 32
_NEMO_BATCH: Final = 16
_FLOOR_SECONDS: Final = 10
_FLOOR_BATCH: Final = 12
_AROUND: Final = 0.1
"""Seconds before and after an utterance that those get who are given utterances."""

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, eq=False)
class Talk:
    """A conversation: its sound, and what is truly said."""

    samples: Samples
    truth: Case

    def utterances(self) -> list[tuple[float, Samples]]:
        """Each utterance with where it begins, in seconds."""
        found = []
        for segment in self.truth.segments:
            first = max(0, round((segment.start - _AROUND) * SAMPLE_RATE))
            last = round((segment.end + _AROUND) * SAMPLE_RATE)
            found.append((first / SAMPLE_RATE, self.samples[first:last]))
        return found


def talk_of(minutes: float, *, seed: int) -> Talk:
    """A fresh conversation of four; of so many minutes, about."""
    seconds = 60 * minutes
    name = f"transcription-{minutes:g}-{seed}"
    pieces = list(
        conversation(seed=name, speakers=(_SPEAKERS, _SPEAKERS), seconds=(seconds, seconds))
    )
    samples = np.concatenate([piece.samples for piece in pieces])
    segments = sorted(
        (segment_of(part) for piece in pieces for part in piece.parts), key=lambda one: one.start
    )
    return Talk(samples, Case(name, len(samples) / SAMPLE_RATE, tuple(segments)))


def plain_model(transcriber_home: Path) -> Any:  # noqa: ANN401
    """The same model as NeMo gives it."""
    from nemo.collections.asr.models import EncDecRNNTBPEModel  # noqa: PLC0415

    (path,) = transcriber_home.glob("snapshots/*/*.nemo")
    return EncDecRNNTBPEModel.restore_from(str(path)).eval()


def ours(transcriber: ParakeetTranscriber, talk: Talk) -> list[Word]:
    """Words as Parley finds them."""
    return list(asyncio.run(_transcribed(transcriber, talk.samples)))


def one_by_one(model: Any, talk: Talk) -> list[Word]:  # noqa: ANN401
    """Words by one call of NeMo's `transcribe` per utterance."""
    return [
        word
        for start, samples in talk.utterances()
        for word in _words(_nemo(model, [samples], batch=1)[0], start)
    ]


def by_nemo(model: Any, talk: Talk) -> list[Word]:  # noqa: ANN401
    """Words by one call of NeMo's `transcribe` for all utterances, in its own batches."""
    utterances = talk.utterances()
    found = _nemo(model, [samples for _, samples in utterances], batch=_NEMO_BATCH)
    return [
        word
        for (start, _), hypothesis in zip(utterances, found, strict=True)
        for word in _words(hypothesis, start)
    ]


def _nemo(model: Any, arrays: Sequence[Samples], *, batch: int) -> Sequence[Any]:  # noqa: ANN401
    hypotheses: Sequence[Any] = model.transcribe(
        list(arrays), batch_size=batch, timestamps=True, num_workers=0, verbose=False
    )
    return hypotheses


def _words(hypothesis: Any, start: float) -> list[Word]:  # noqa: ANN401
    return [
        Word(item["word"], start + item["start"], start + item["end"])
        for item in hypothesis.timestamp["word"]
    ]


def word_errors(truth: Case, words: Sequence[Word]) -> float:
    """Errors per word said; all words strung together by their starts, whoever says them."""
    said = [token for word in truth.words for token in normalise(word.text).split()]
    found = sorted(words, key=lambda word: word.start)
    heard = [token for word in found for token in normalise(word.text).split()]
    return float(kaldialign.edit_distance(said, heard)["total"]) / len(said)


def floor(model: Any, talk: Talk) -> float:  # noqa: ANN401
    """Seconds that features and encoder take for as much audio, in full batches of one length."""
    import torch  # noqa: PLC0415

    shape = (_FLOOR_BATCH, _FLOOR_SECONDS * SAMPLE_RATE)
    noise = np.random.default_rng(0).normal(scale=0.01, size=shape).astype(np.float32)
    signal = torch.from_numpy(noise).to(model.device)
    lengths = torch.full((_FLOOR_BATCH,), shape[1], device=model.device)
    spent = []
    with torch.inference_mode():
        for _ in range(7):
            began = time.perf_counter()
            features, counts = model.preprocessor(input_signal=signal, length=lengths)
            encoded, _ = model.encoder(audio_signal=features, length=counts)
            encoded.sum().item()
            spent.append(time.perf_counter() - began)
    return statistics.median(spent) * talk.truth.seconds / (_FLOOR_BATCH * _FLOOR_SECONDS)


class Contender:
    """One way to find words, in a process of its own that stays."""

    def __init__(self, name: str, talk: Talk) -> None:
        """Load it, and let it hear the talk for the first time, which is not counted."""
        self._process = ProcessPoolExecutor(
            max_workers=1,
            mp_context=get_context("spawn"),
            initializer=_enter,
            initargs=(name, talk),
        )
        # alone: two that compute on the same cores keep each other from finishing for minutes
        self._process.submit(_hear).result()

    def hear(self) -> tuple[float, list[Word]]:
        """Give the seconds that the talk took, and its words."""
        return self._process.submit(_hear).result()

    def do(self, work: Callable[[Any, Talk], Answer], /) -> Answer:
        """Have something else done there, with its model and the talk."""
        return self._process.submit(_do, work).result()

    def close(self) -> None:
        """End the process."""
        self._process.shutdown()


_entered: dict[str, Any] = {}
"""In a contender's process: its model, how it is used, and the talk."""


def _enter(name: str, talk: Talk) -> None:
    if name == "parley":
        settings = Settings.read()
        settings = settings.model_copy(update={"transcriber_model": TRANSCRIBER, "hub_cache": HUB})
        keep_one_heap()  # as every worker does
        _entered["model"] = load_parakeet(settings)
    else:
        _entered["model"] = plain_model(HUB / ("models--" + TRANSCRIBER.replace("/", "--")))
    _entered["hear"] = _CONTENDERS[name]
    _entered["talk"] = talk


def _hear() -> tuple[float, list[Word]]:
    began = time.perf_counter()
    words = _entered["hear"](_entered["model"], _entered["talk"])
    return time.perf_counter() - began, words


def _do(work: Callable[[Any, Talk], Answer]) -> Answer:
    return work(_entered["model"], _entered["talk"])


_CONTENDERS: Final[dict[str, Callable[[Any, Talk], list[Word]]]] = {
    "parley": ours,
    "utterance by utterance": one_by_one,
    "NeMo's batches": by_nemo,
}


def measure_long(contenders: Mapping[str, Contender], talk: Talk, *, pairs: int) -> dict[str, Any]:
    """Compare the three on one long conversation."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    errors: dict[str, float] = {}
    for turn in range(pairs):
        names = list(contenders)
        for name in names[turn % 3 :] + names[: turn % 3]:
            taken, words = contenders[name].hear()
            seconds[name].append(taken)
            errors[name] = word_errors(talk.truth, words)
            print(f"  {name:24} {taken:7.2f} s  WER {errors[name]:.4f}", flush=True)
    return {
        "audio_seconds": round(talk.truth.seconds, 1),
        "utterances": len(talk.truth.segments),
        "words": len(talk.truth.words),
        "pairs": pairs,
        "seconds": {name: _spread(values) for name, values in seconds.items()},
        "times_faster": {
            name: _spread([a / b for a, b in zip(values, seconds["parley"], strict=True)])
            for name, values in seconds.items()
            if name != "parley"
        },
        "word_error_rate": {name: round(value, 4) for name, value in errors.items()},
        "floor_seconds": round(contenders["NeMo's batches"].do(floor), 2),
    }


def measure_jobs(pairs: int, transcriber: ParakeetTranscriber, talk: Talk) -> dict[str, Any]:
    """Compare 32 short recordings at once with one after another; all are there from the start."""
    utterances = sorted(talk.utterances(), key=lambda one: len(one[1]))
    step = max(1, len(utterances) // _JOBS)
    clips = [samples for _, samples in utterances[::step]][:_JOBS]
    Random(0).shuffle(clips)
    apart: list[list[float]] = []
    together: list[list[float]] = []
    same = True
    for turn in range(pairs):
        first, second = (
            (_after_another(transcriber, clips), _at_once(transcriber, clips))
            if turn % 2
            else reversed((_at_once(transcriber, clips), _after_another(transcriber, clips)))
        )
        apart.append(first[0])
        together.append(second[0])
        same = same and first[1] == second[1]
    ratios = [max(a) / max(b) for a, b in zip(apart, together, strict=True)]
    return {
        "jobs": len(clips),
        "audio_seconds": round(sum(map(len, clips)) / SAMPLE_RATE, 1),
        "pairs": pairs,
        "throughput_ratio": _spread(ratios),
        "same_words_and_times": same,
        "one_after_another": _latencies(apart),
        "at_once": _latencies(together),
    }


Answers = tuple[list[float], list[list[tuple[str, float, float]]]]


def _after_another(transcriber: ParakeetTranscriber, clips: Sequence[Samples]) -> Answers:
    async def run() -> Answers:
        began, latencies, answers = time.perf_counter(), [], []
        for clip in clips:
            words = await _transcribed(transcriber, clip)
            latencies.append(time.perf_counter() - began)
            answers.append([(word.text, word.start, word.end) for word in words])
        return latencies, answers

    return asyncio.run(run())


def _at_once(transcriber: ParakeetTranscriber, clips: Sequence[Samples]) -> Answers:
    async def run() -> Answers:
        began = time.perf_counter()

        async def job(clip: Samples) -> tuple[float, list[tuple[str, float, float]]]:
            words = await _transcribed(transcriber, clip)
            return time.perf_counter() - began, [(w.text, w.start, w.end) for w in words]

        found = await asyncio.gather(*map(job, clips))
        return [latency for latency, _ in found], [answer for _, answer in found]

    return asyncio.run(run())


async def _transcribed(transcriber: ParakeetTranscriber, samples: Samples) -> tuple[Word, ...]:
    recording = Recording(
        samples,
        sha256="",
        bytes=0,
        container="",
        codec="",
        original_sample_rate=SAMPLE_RATE,
        channels=1,
    )
    return (await transcriber.transcribe(recording, language=None, progress=ignore)).words


def _latencies(runs: Sequence[Sequence[float]]) -> dict[str, Any]:
    return {
        "seconds": _spread([max(run) for run in runs]),
        "p50": _spread([float(np.percentile(run, 50)) for run in runs]),
        "p95": _spread([float(np.percentile(run, 95)) for run in runs]),
    }


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {
        "median": round(statistics.median(values), 3),
        "least": round(min(values), 3),
        "most": round(max(values), 3),
    }


def _device(model: Any, _talk: Talk) -> str:  # noqa: ANN401
    return str(model.device)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the result is its exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.transcription")
    parser.add_argument("--minutes", type=float, default=_MINUTES, help="of conversation")
    parser.add_argument("--pairs", type=int, default=_PAIRS, help="turns of each")
    parser.add_argument("--seed", type=int, default=_SEED)
    parser.add_argument("--out", type=Path, default=_OUT)
    options = parser.parse_args(arguments)
    print(f"making a conversation of {options.minutes:g} minutes", flush=True)
    talk = talk_of(options.minutes, seed=options.seed)
    contenders = {name: Contender(name, talk) for name in _CONTENDERS}
    try:
        found = {
            "device": contenders["NeMo's batches"].do(_device),
            "window_seconds": Settings.read().window_seconds,
            "nemo_batch": _NEMO_BATCH,
            "long": measure_long(contenders, talk, pairs=options.pairs),
            "jobs": contenders["parley"].do(partial(measure_jobs, options.pairs)),
        }
    finally:
        for contender in contenders.values():
            contender.close()
    text = json.dumps(found, indent=1)
    print(text)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "transcription.json").write_text(text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
