"""What one place may tell the command: keys and their values."""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal, Self, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
)

from handlers.formats import Format

Shape = Literal["single", "split", "orch"]

_LONG: Final = 16
"""Of a key so long, the last four characters betray nothing."""
_UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3600}
_DURATION: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([smh]?)\s*", re.IGNORECASE)


class ConfigError(ValueError):
    """What was said cannot be; the message names where it was said and what to do."""


def duration(text: object) -> object:
    """Seconds of `90`, `90s`, `5m` or `1h`; what is no text is left to the validator."""
    if not isinstance(text, str):
        return text
    match = _DURATION.fullmatch(text)
    if match is None:
        message = f"{text!r} is no duration; write 90, 90s, 5m or 1h"
        raise ValueError(message)
    return float(match[1]) * _UNITS[match[2].lower()]


_Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


class Choices(BaseModel):
    """What one place says; None where it says nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    shape: Shape | None = None
    endpoint: _Text | None = None
    transcription_endpoint: _Text | None = None
    diarization_endpoint: _Text | None = None
    api_key: SecretStr | None = None
    base_url: Annotated[str, Field(pattern="^https?://")] | None = None
    formats: Annotated[list[Format], Field(min_length=1)] | None = None
    output_dir: _Text | None = None
    jobs: Annotated[int, Field(ge=1, le=200)] | None = None
    timeout: Annotated[float, Field(gt=0), BeforeValidator(duration)] | None = None


KEYS: Final = tuple(Choices.model_fields)


@dataclass(frozen=True, slots=True)
class Layer:
    """A place, and what it says.

    Attributes:
        origin: what messages call the place.
        choices: what it says.
        names: what the place calls a key, where it has a name of its own.

    """

    origin: str
    choices: Choices
    names: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(
        cls,
        origin: str,
        values: Mapping[str, object],
        *,
        names: Mapping[str, str] | None = None,
        strict: bool = False,
    ) -> Self:
        """Check what a place says.

        Args:
            origin: what messages call the place.
            values: by key; None and empty text stand for nothing said.
            names: what the place calls a key, where it has a name of its own.
            strict: take no text for a number.

        Raises:
            ConfigError: a key is unknown, or a value cannot be.

        """
        given = {key: value for key, value in values.items() if value not in (None, "")}
        try:
            return cls(origin, Choices.model_validate(given, strict=strict), names or {})
        except ValidationError as error:
            message = f"{origin}: {_reasons(error, given, names or {})}."
            raise ConfigError(message) from None


def shown(value: object) -> str:
    """A value for people; of a key its end alone."""
    if isinstance(value, SecretStr):
        return _masked(value.get_secret_value())
    if isinstance(value, list):
        return ", ".join(value)
    if isinstance(value, float):
        return f"{value:g} s"
    return "-" if value is None else str(value)


def _masked(key: str) -> str:
    """The end of a key that is long enough to keep its secret all the same."""
    return f"...{key[-4:]}" if len(key) >= _LONG else "..."


def _reasons(error: ValidationError, values: Mapping[str, object], names: Mapping[str, str]) -> str:
    details = error.errors(include_url=False, include_input=False)
    return "; ".join(_reason(detail, values, names) for detail in details)


def _reason(
    detail: Any,  # noqa: ANN401  pydantic's dict
    values: Mapping[str, object],
    names: Mapping[str, str],
) -> str:
    key = str(detail["loc"][0])
    name = names.get(key, key)
    if detail["type"] == "extra_forbidden":
        near = difflib.get_close_matches(key, KEYS, n=1, cutoff=0.6)
        advice = f"did you mean {near[0]}?" if near else f"known are {', '.join(KEYS)}"
        return f"unknown key {key}, {advice}"
    if detail["type"] == "literal_error":
        known = get_args(Shape if key == "shape" else Format)
        return f"{name} knows no {_item(values, detail['loc'])!r}, but {', '.join(known)}"
    return f"{name} is wrong: {str(detail['msg']).removeprefix('Value error, ')}"


def _item(values: Mapping[str, object], place: Sequence[int | str]) -> object:
    """The value that a detail is about, or the item of it."""
    value = values.get(str(place[0]))
    return value[int(place[1])] if isinstance(value, list) else value
