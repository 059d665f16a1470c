"""Train the demo's recogniser and publish it: `python -m demo.recipes.transcriber`."""

import argparse
import json
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path
from random import Random
from typing import Any, Final

import numpy as np
import torch

from demo.hub import TRANSCRIBER, publish
from demo.recipes.accuracy import Recording, conditions, score
from demo.recipes.mixtures import Batch, batch
from demo.recipes.recogniser import Trainee, build, quiet, restore
from demo.recipes.schedule import Schedule
from demo.recipes.tokens import WordPieces
from demo.speech.bank import UtteranceBank
from demo.speech.voices import CAST, FURTHER

_HERE: Final = Path(__file__).parent
_BUILD: Final = Path("build/demo")
_BANK: Final = _BUILD / "words"
_PIECES: Final = _BUILD / "tokens"
_MODEL: Final = _BUILD / "demo-parakeet-tdt.nemo"

_UTTERANCES: Final = {**dict.fromkeys(CAST, 900), **dict.fromkeys(FURTHER, 60)}
_SEED: Final = 1
_PEAK: Final = 2e-3
_DECAY: Final = 1e-3
_CLIP: Final = 2.0
_SECONDS: Final = 56.0
_AHEAD: Final = 4
_CHECK_EVERY: Final = 4.0  # minutes


def main() -> None:
    """Parse options, train, measure, publish."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=40.0, help="processor time to train")
    parser.add_argument("--threads", type=int, default=1, help="threads of the trainer")
    parser.add_argument("--seed", type=int, default=_SEED)
    options = parser.parse_args()
    quiet()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    pieces = WordPieces.build(_PIECES, seed=options.seed)
    _bank()
    trained = train(pieces, minutes=options.minutes, seed=options.seed)
    trained["threads"] = options.threads
    report(trained)


def train(pieces: WordPieces, *, minutes: float, seed: int) -> dict[str, Any]:
    """Train for so many minutes of processor time and save the model; say what that took."""
    model = build(pieces)
    trainee = Trainee(model, pieces)
    optimiser = torch.optim.AdamW(
        trainee.parameters(), lr=_PEAK, betas=(0.9, 0.98), weight_decay=_DECAY
    )
    dev = conditions("dev", share=0.1)
    schedule = Schedule(optimiser, peak=_PEAK, minutes=minutes)
    steps, seconds, next_check = 0, 0.0, _CHECK_EVERY
    losses: deque[tuple[float, float]] = deque(maxlen=50)
    with ProcessPoolExecutor(1, initializer=_start_mixing, initargs=(pieces.folder,)) as mixer:
        for mixed in _mixed(mixer, schedule, seed):
            if not schedule.step():
                break
            transducer, framewise = trainee.train()(mixed)
            optimiser.zero_grad()
            trainee.combined(transducer, framewise).backward()
            torch.nn.utils.clip_grad_norm_(trainee.parameters(), _CLIP)
            optimiser.step()
            steps += 1
            seconds += float(mixed.lengths.sum()) / 16_000
            losses.append((transducer.item(), framewise.item()))
            if steps % 50 == 0:
                mean = np.mean(losses, axis=0).round(3)
                _say(f"{schedule.minutes:5.1f} min, step {steps}: losses {mean}")
            if schedule.minutes >= next_check:
                next_check = schedule.minutes + _CHECK_EVERY
                _check(model, dev)
    model.save_to(str(_MODEL))
    return {
        "steps": steps,
        "processor_minutes": round(schedule.minutes, 1),
        "hours_heard": round(seconds / 3600, 1),
        "parameters": sum(each.numel() for each in model.parameters()),
    }


def report(trained: Mapping[str, Any]) -> None:
    """Measure the saved model on the test split, write the figures down, publish."""
    model = restore(_MODEL)
    scores = {}
    for name, recordings in conditions("test").items():
        scores[name] = score(model, recordings).as_dict()
        _say(f"{name}: {scores[name]}")
    figures = _HERE / "transcriber.json"
    figures.write_text(json.dumps({**trained, "test": scores}, indent=2) + "\n")
    publish(
        TRANSCRIBER,
        {_MODEL.name: _MODEL, "README.md": _HERE / "transcriber.md"},
    )


def _check(model: Any, dev: Mapping[str, Sequence[Recording]]) -> None:  # noqa: ANN401
    """Keep the model as it is by now, and say how well what was kept hears."""
    partial = _MODEL.with_stem("partial")
    model.save_to(str(partial))
    partial.replace(_MODEL)
    kept = restore(_MODEL)
    for name, recordings in dev.items():
        found = score(kept, recordings)
        _say(f"  {name}: wer {found.wer}, start {found.start_error}, invented {found.invented}")


def _mixed(mixer: ProcessPoolExecutor, schedule: Schedule, seed: int) -> Iterator[Batch]:
    """Batches without end, mixed ahead of their use in another process."""
    ahead: deque[Future[Batch]] = deque()
    step = 0
    while True:
        while len(ahead) < _AHEAD:
            ahead.append(mixer.submit(_mix, f"{seed} {step}", schedule.progress))
            step += 1
        yield ahead.popleft().result()


def _bank() -> UtteranceBank:
    return UtteranceBank.build(_BANK, _UTTERANCES, split="train", seed=_SEED)


_MIXER: dict[str, Any] = {}
"""What the mixing process keeps between batches."""


def _start_mixing(folder: Path) -> None:
    torch.set_num_threads(1)
    _MIXER.update(speak=_bank().speak, pieces=WordPieces(folder))


def _mix(seed: str, progress: float) -> Batch:
    return batch(Random(seed), progress=progress, seconds=_SECONDS, **_MIXER)


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
