"""Where a stream of words may be broken."""

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Final
from unicodedata import category

from handlers.timeline import Word

_SENTENCE_ENDS: Final = tuple(".?!…。．？！｡؟۔।։")  # noqa: RUF001 - look-alikes are meant
_CLAUSE_ENDS: Final = tuple(",;:—–、，；：،؛")  # noqa: RUF001 - look-alikes are meant

# Words that are abbreviations and words both ("No.", "Fig.", "Art.") are in no set: to miss the
# end of a sentence is as bad as to invent one.
_TITLES: Final = frozenset({
    "Mr", "Mrs", "Ms", "Mx", "Dr", "Prof", "Rev", "Hon", "Gov", "Sen", "Rep", "Gen", "Col", "Sgt",
    "Capt", "Cmdr", "Lt", "St", "Messrs", "Mme", "Mlle", "Hr", "Fr", "Sr", "Sra",
})  # fmt: skip
_ABBREVIATIONS: Final = frozenset({"vs", "cf", "approx", "bzw"})
_LAST_IN_LISTS: Final = frozenset({"etc", "ecc", "usw"})

_CLAUSE_BONUS: Final = 0.2
"""How far from the middle a clause may end and still be the best break: share of the text."""
_PAUSE_BONUS: Final = 0.2
"""The same for each second of pause, up to one."""


def ends_sentence(text: str, following: str | None = None) -> bool:
    """Tell if a sentence ends with this word.

    A full stop ends none after a title (`Dr.`), after an abbreviation (`vs.`), after initials
    (`J.`, `U.S.`, `e.g.`, but not the pronoun in `So do I.`), and in a number that goes on (`3.`
    `14`). After other numbers, `etc.` and an ellipsis it does, unless the next word starts in
    lower case.

    Args:
        text: a word with its punctuation.
        following: the word after it, if any.

    """
    core = _unquoted(text)
    if not core.endswith(_SENTENCE_ENDS):
        return False
    if not core.endswith((".", "…")):
        return True
    if core.endswith(("...", "…")):
        return not _opening(following).islower()
    stem = core[:-1]
    if stem in _TITLES or stem.lower() in _ABBREVIATIONS or _is_initials(stem):
        return False
    if stem.isdecimal():
        return not (_opening(following).isdecimal() or _opening(following).islower())
    return not (stem.lower() in _LAST_IN_LISTS and _opening(following).islower())


def _opening(following: str | None) -> str:
    """The first character of a word, quotation marks and brackets aside."""
    return _unquoted(following or "")[:1]


def _is_initials(stem: str) -> bool:
    """`J`, `U.S`, `e.g`: one letter stands alone only in upper case, since `y` may be a word."""
    letters = stem.split(".")
    if len(letters) == 1:
        return len(stem) == 1 and stem.isupper() and stem != "I"
    return all(len(letter) == 1 and letter.isalpha() for letter in letters)


def _unquoted(text: str) -> str:
    """Without the quotation marks and brackets around it, of any script."""
    first, last = 0, len(text)
    while first < last and _encloses(text[first]):
        first += 1
    while first < last and _encloses(text[last - 1]):
        last -= 1
    return text[first:last]


def _encloses(char: str) -> bool:
    if char.isalnum():  # as nearly all are
        return False
    return char in "\"'¿¡" or char.isspace() or category(char) in {"Pi", "Pf", "Ps", "Pe"}


def sentences(words: Sequence[Word], *, max_gap: float) -> Iterator[range]:
    """Cut at sentence ends, and where nobody speaks for long: indices that tile the words.

    Args:
        words: ordered by start.
        max_gap: seconds of silence that end a sentence, whatever its punctuation.

    """
    first = 0
    for index, (last, word) in enumerate(pairwise(words), start=1):
        # nearly all words end in a letter, and so no sentence
        if word.start - last.end > max_gap or (
            not last.text[-1:].isalnum() and ends_sentence(last.text, word.text)
        ):
            yield range(first, index)
            first = index
    if words:
        yield range(first, len(words))


def break_up(
    words: Sequence[Word], fits: Callable[[Sequence[Word]], bool]
) -> Iterator[Sequence[Word]]:
    """Halve at the best place, again and again, until every part fits or is a single word.

    The best place is near the middle, after a comma or its kin, and at a pause.
    """
    if len(words) <= 1 or fits(words):
        yield words
        return
    middle = _best_break(words)
    yield from break_up(words[:middle], fits)
    yield from break_up(words[middle:], fits)


def _best_break(words: Sequence[Word]) -> int:
    lengths = list(accumulate(len(word.text) + 1 for word in words))

    def cost(index: int) -> float:
        last = words[index - 1]
        off_centre = abs(lengths[index - 1] / lengths[-1] - 0.5)
        pause = min(max(words[index].start - last.end, 0.0), 1.0)
        clause = _unquoted(last.text).endswith(_CLAUSE_ENDS + _SENTENCE_ENDS)
        return off_centre - _PAUSE_BONUS * pause - _CLAUSE_BONUS * clause

    return min(range(1, len(words)), key=cost)
