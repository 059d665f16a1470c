"""Who speaks: the demo's cast, the further voices that train its models, and those kept unseen.

A voice is an espeak-ng accent with a variant (formants, voicing, roughness) and a base pitch. The
cast is a farthest-point choice among all variants, by distance between mean spectra and pitch, so
that its members differ as clearly as synthetic voices can.
"""

from dataclasses import dataclass, replace
from random import Random
from typing import Final

ACCENTS: Final = (
    "en-us", "en", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbclan", "en-gb-x-gbcwmd",
    "en-029", "en-us-nyc",
)  # fmt: skip

_PITCH_SPREAD: Final = 3
_RATES: Final = (150, 200)


@dataclass(frozen=True, slots=True)
class Voice:
    """One speaker.

    Attributes:
        label: the speaker's name in references.
        name: the espeak-ng voice, accent and variant, as in `en-us+f2`.
        pitch: base pitch, 0 to 99.
        rate: words per minute.
        range: pitch range, 0 to 99.

    """

    label: str
    name: str
    pitch: int = 50
    rate: int = 170
    range: int = 50

    @property
    def variant(self) -> str:
        """What is left of the name without its accent: near twins share it."""
        return self.name.partition("+")[2]

    def varied(self, rng: Random) -> "Voice":
        """The same speaker in another sentence: slightly other pitch, another speaking rate."""
        pitch = min(max(self.pitch + rng.randint(-_PITCH_SPREAD, _PITCH_SPREAD), 0), 99)
        return replace(self, pitch=pitch, rate=rng.randint(*_RATES))


CAST: Final = (
    Voice("anna", "en-us+f2", pitch=50),
    Voice("boris", "en+boris", pitch=80),
    Voice("clara", "en-us+steph3", pitch=80),
    Voice("david", "en-us-nyc+david", pitch=25),
    Voice("ivan", "en-gb-scotland+iven2", pitch=20),
    Voice("andy", "en-gb-x-rp+Andy", pitch=50),
    Voice("belinda", "en-us+belinda", pitch=75),
    Voice("anika", "en+anika", pitch=65),
)

_FURTHER_VARIANTS: Final = (
    "Alicia", "Andrea", "Diogo", "Gene", "Gene2", "Henrique", "Jacky", "Lee", "Mario", "Michael",
    "Mike", "Mr serious", "Nguyen", "Reed", "RicishayMax", "RicishayMax2", "RicishayMax3", "adam",
    "announcer", "antonio", "aunty", "benjamin", "caleb", "croak", "ed", "edward", "edward2", "f1",
    "f3", "f4", "f5", "grandma", "gustave", "ian", "iven", "iven3", "iven4", "john", "kaukovalta",
    "klatt", "klatt2", "klatt3", "klatt5", "klatt6", "m1", "m2", "m3", "m4", "m5", "m6", "m7",
    "marcelo", "max", "michel", "miguel", "mike2", "norbert", "pablo", "paul", "pedro", "rob",
    "robert", "robosoft", "robosoft3", "robosoft5", "robosoft7", "shelby", "steph2", "travis",
    "zac",
)  # fmt: skip
_UNSEEN_VARIANTS: Final = (
    "m8", "linda", "Annie", "Denis", "Hugo", "grandpa", "victor", "quincy", "Marco", "klatt4",
    "Alex", "sandro",
)  # fmt: skip
_PITCH_BANDS: Final = ((20, 42), (55, 80))


def _voices(variants: tuple[str, ...], seed: int) -> tuple[Voice, ...]:
    """Each variant once in a low and once in a high pitch band, accents dealt in turn."""
    rng = Random(seed)
    voices = []
    for index, variant in enumerate(variants):
        for band, (low, high) in enumerate(_PITCH_BANDS):
            accent = ACCENTS[(2 * index + band) % len(ACCENTS)]
            label = f"{variant}-{'low' if band == 0 else 'high'}".replace(" ", "").lower()
            voices.append(Voice(label, f"{accent}+{variant}", pitch=rng.randint(low, high)))
    return tuple(voices)


FURTHER: Final = _voices(_FURTHER_VARIANTS, seed=1)
"""Voices that models are trained on beside the cast."""

UNSEEN: Final = _voices(_UNSEEN_VARIANTS, seed=2)
"""Voices that no model has heard: what the recipes report for strangers."""
