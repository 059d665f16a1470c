"""The sample: a little meeting of three members of the cast, word for word."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

from demo.speech.conversations import Conversation, Manner, Part, record
from demo.speech.synthesis import synthesise
from demo.speech.voices import CAST, Voice

SAMPLE: Final = Path(__file__).parent / "sample"
"""Where the sample is kept: the case `meeting`."""

_SEED: Final = 1
_MANNER: Final = Manner(speaker_gain=(-2.0, 2.0), room_share=0.5, snr=(24.0, 24.0), lead=(0.5, 0.8))


@dataclass(frozen=True, slots=True)
class Line:
    """What one speaker says at once.

    Attributes:
        speaker: a member of the cast.
        text: one sentence.
        pause: seconds since everybody was done; negative where the speaker does not wait.

    """

    speaker: str
    text: str
    pause: float = 0.35


MEETING: Final = (
    Line("clara", "Did Robert finish the report this morning?"),
    Line("boris", "Yes we finished the report with Susan."),
    Line("boris", "Maria was happy because the report was ready.", 0.2),
    Line("clara", "I think the report should be perfect on Friday.", -0.25),
    Line("ivan", "Can you explain the budget on Friday?", 0.6),
    Line("clara", "I will check the budget tonight."),
    Line("ivan", "I am worried about the important budget."),
    Line("boris", "The printer is broken and the schedule is empty.", 0.8),
    Line("clara", "Can you repair the printer tonight?", -0.2),
    Line("boris", "Oliver has replaced the broken printer."),
    Line("ivan", "That printer costs five hundred and twenty dollars."),
    Line("clara", "I am surprised about the expensive budget.", -0.3),
    Line("boris", "Nora was worried because the contract was expensive."),
    Line("clara", "Can you check the contract today?"),
    Line("ivan", "No I have not checked the important contract."),
    Line("ivan", "I will check the contract after lunch.", 0.25),
    Line("boris", "The important contract goes to Berlin on Friday.", -0.2),
    Line("clara", "Why is the important contract in the office?"),
    Line("ivan", "I will send the contract today.", 0.2),
    Line("clara", "We need thirty chairs on Friday.", 1.2),
    Line("ivan", "There are thirty empty chairs in the hotel."),
    Line("boris", "Should we move thirty chairs on Friday?"),
    Line("clara", "Please send seven tables to the hotel.", 0.3),
    Line("ivan", "Who will check the schedule with Maria?", 0.7),
    Line("boris", "Yes we checked the schedule with Oliver.", -0.25),
    Line("clara", "Maria and Oliver are in the hotel today."),
    Line("clara", "Let us meet Oliver in the hotel on Friday.", 0.2),
    Line("ivan", "My number is four seven nine eight.", 0.5),
    Line("clara", "I am happy about the important report."),
    Line("boris", "I will send the report tomorrow."),
)
"""Every sentence is of the split that no model is trained on."""


def perform(
    lines: Sequence[Line], voices: Sequence[Voice], *, rng: Random, manner: Manner
) -> Conversation:
    """Say lines, at least one, in their order.

    Args:
        lines: what is said.
        voices: everybody who speaks, by label.
        rng: the only source of chance.
        manner: how it is recorded; its pauses and overlaps are not used.

    """
    parts = list(_parts(lines, {voice.label: voice for voice in voices}, rng, manner))
    return record(parts, rng=rng, manner=manner, voices=voices)


def meeting() -> Conversation:
    """The sample, the same each time."""
    speakers = {line.speaker for line in MEETING}
    voices = [voice for voice in CAST if voice.label in speakers]
    return perform(MEETING, voices, rng=Random(_SEED), manner=_MANNER)


def _parts(
    lines: Sequence[Line], voices: dict[str, Voice], rng: Random, manner: Manner
) -> Iterator[Part]:
    clock = rng.uniform(*manner.lead)
    for index, line in enumerate(lines):
        start = max(0.0, clock + line.pause) if index else clock
        part = Part(start, synthesise(line.text, voices[line.speaker].varied(rng)))
        clock = max(clock, part.end)
        yield part
