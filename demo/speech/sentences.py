"""The closed vocabulary of the demo: a grammar of meeting talk, and its split by sentence.

Every sentence belongs to exactly one split for ever, because the split is a hash of its text:
what a model is tested on is never something it was trained on.
"""

import hashlib
from collections.abc import Iterator
from random import Random
from typing import Literal

Split = Literal["train", "dev", "test"]

_SLOTS: dict[str, tuple[str, ...]] = {
    "name": ("Alice", "Peter", "Maria", "Robert", "Susan", "David", "Nora", "Oliver"),
    "thing": (
        "report", "budget", "window", "garden", "letter", "engine", "picture", "contract",
        "server", "kitchen", "ticket", "project", "camera", "schedule", "printer", "message",
    ),
    "things": (
        "boxes", "tables", "chairs", "bottles", "books", "lamps", "bags", "keys",
        "flowers", "apples", "blankets", "visitors",
    ),
    "verb": (
        "check", "finish", "open", "repair", "send", "paint", "move", "review",
        "explain", "deliver", "replace", "cancel",
    ),
    "verbed": (
        "checked", "finished", "opened", "repaired", "painted", "moved", "reviewed",
        "explained", "delivered", "replaced", "cancelled",
    ),
    "quality": (
        "ready", "broken", "expensive", "heavy", "empty", "perfect", "important", "dangerous",
        "yellow", "beautiful", "strange", "simple",
    ),
    "place": (
        "London", "Paris", "Berlin", "Madrid", "the office", "the station", "the hotel",
        "the library", "the harbour", "the airport",
    ),
    "when": (
        "today", "tomorrow", "tonight", "on Monday", "on Friday", "next week", "this morning",
        "after lunch", "before dinner", "in September",
    ),
    "number": (
        "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
        "twelve", "twenty", "thirty", "fifty",
    ),
    "mood": ("happy", "worried", "surprised", "tired", "certain", "careful"),
}  # fmt: skip

_TEMPLATES: tuple[str, ...] = (
    "We need {number} {things} {when}.",
    "I will {verb} the {thing} {when}.",
    "Can you {verb} the {thing} {when}?",
    "The {thing} is {quality} and the {thing} is {quality}.",
    "{name} has {verbed} the {quality} {thing}.",
    "Did {name} {verb} the {thing} {when}?",
    "I think the {thing} should be {quality} {when}.",
    "My number is {number} {number} {number} {number}.",
    "Let us meet {name} in {place} {when}.",
    "Why is the {quality} {thing} in {place}?",
    "Yes we {verbed} the {thing} with {name}.",
    "No I have not {verbed} the {quality} {thing}.",
    "How many {quality} {things} are in {place}?",
    "The {quality} {thing} goes to {place} {when}.",
    "{name} and {name} are in {place} {when}.",
    "Please send {number} {things} to {place}.",
    "There are {number} {quality} {things} in {place}.",
    "That {thing} costs {number} hundred and {number} dollars.",
    "I am {mood} about the {quality} {thing}.",
    "Who will {verb} the {thing} with {name}?",
    "{name} was {mood} because the {thing} was {quality}.",
    "Should we {verb} {number} {things} {when}?",
)

_SPLIT_OF_BUCKET: dict[int, Split] = {0: "dev", 1: "test", 2: "test"}


def split_of(sentence: str) -> Split:
    """The split that a sentence belongs to: eight elevenths train, one dev, two test."""
    digest = hashlib.sha256(sentence.encode()).digest()
    return _SPLIT_OF_BUCKET.get(digest[0] % 11, "train")


def vocabulary() -> frozenset[str]:
    """Every word that a sentence can hold, in lower case and without punctuation."""
    texts = (*_TEMPLATES, *(text for slot in _SLOTS.values() for text in slot))
    words = (word.strip(".?") for text in texts for word in text.split())
    return frozenset(word.lower() for word in words if not word.startswith("{"))


def sentences(split: Split, rng: Random) -> Iterator[str]:
    """Endless sentences of one split, templates equally likely, slots filled at random."""
    while True:
        sentence = _fill(rng.choice(_TEMPLATES), rng)
        if split_of(sentence) == split:
            yield sentence


def _fill(template: str, rng: Random) -> str:
    """Fill every slot of a template, none of them as another: nobody meets Nora and Nora."""
    words: list[str] = []
    used: set[str] = set()
    for part in template.split():
        slot = part.strip(".?")
        if slot.startswith("{"):
            choice = rng.choice([text for text in _SLOTS[slot[1:-1]] if text not in used])
            used.add(choice)
            words.append(part.replace(slot, choice))
        else:
            words.append(part)
    text = " ".join(words)
    return text[0].upper() + text[1:]
