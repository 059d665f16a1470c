"""Lists of configurations made the quick way: nobody can tell them from OmegaConf's own."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import ListConfig, OmegaConf
from omegaconf.errors import ReadonlyConfigError, UnsupportedValueType, ValidationError

from handlers.config_lists import quick_lists

_STRINGS = st.one_of(
    st.text(), st.sampled_from(["", "???", "${a}", "${", "a${b}c", "▁the", "null", "1e-3"])
)
_VALUES = st.recursive(
    st.one_of(_STRINGS, st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False)),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(min_size=1), inner)),
    max_leaves=12,
)


def described(node: Any) -> Any:
    """All that is in a node, and below it, but for the caches of its flags."""
    held = {key: value for key, value in vars(node).items() if key != "_flags_cache"}
    parent, content = held.pop("_parent"), held.pop("_content", None)
    if isinstance(content, list):
        assert all(vars(child)["_parent"] is node for child in content)
        content = [described(child) for child in content]
    elif isinstance(content, dict):
        content = {key: described(child) for key, child in content.items()}
    return type(node), parent is None, held, content


def made(values: list[Any]) -> Any:
    """What comes out, or the error that comes instead."""
    try:
        config = OmegaConf.create({"list": values})
        config.twice = config.list
        config.list.append("more")
        twin = copy.deepcopy(config)
    except Exception as error:  # noqa: BLE001  whatever it is, it must be the same
        return type(error), str(error)
    return described(config), described(twin), OmegaConf.to_container(twin)


@given(st.lists(_VALUES))
def test_whatever_a_list_holds_it_becomes_and_copies_to_the_same(values: list[Any]) -> None:
    expected = made(values)
    with quick_lists():
        found = made(values)
    assert found == expected


def test_a_string_that_stands_for_another_is_still_resolved() -> None:
    with quick_lists():
        config = OmegaConf.create({"name": "speaker", "list": ["plain", "${name}", "plain"]})
        assert config.list[1] == "speaker"
        assert OmegaConf.is_missing(OmegaConf.create(["a", "???"]), 1)


def test_what_must_not_be_changed_is_not() -> None:
    config = OmegaConf.create(["a"])
    OmegaConf.set_readonly(config, True)  # noqa: FBT003
    with quick_lists(), pytest.raises(ReadonlyConfigError):
        config.append("b")


def test_a_list_of_numbers_takes_no_word() -> None:
    numbers = ListConfig([1], element_type=int)
    with quick_lists(), pytest.raises(ValidationError):
        numbers.append("one")


def test_what_is_no_value_is_refused() -> None:
    with quick_lists(), pytest.raises(UnsupportedValueType):
        OmegaConf.create(["a", object()])


def test_a_copy_is_a_list_of_its_own() -> None:
    with quick_lists():
        config = OmegaConf.create(["a", "b"])
        twin = copy.deepcopy(config)
        twin[0] = "changed"
        twin._set_flag("readonly", True)  # noqa: FBT003
        config.append("c")
    assert (list(config), list(twin)) == (["a", "b", "c"], ["changed", "b"])


def test_afterwards_lists_are_as_before() -> None:
    before = ListConfig.append, ListConfig.__deepcopy__
    with pytest.raises(ZeroDivisionError), quick_lists():
        _ = 1 // 0
    assert (ListConfig.append, ListConfig.__deepcopy__) == before
