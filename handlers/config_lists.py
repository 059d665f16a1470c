"""Long lists in configurations, made and copied without a detour for each of their strings.

A Parakeet's configuration holds its vocabulary twice, and NeMo makes, checks and copies both about
ten times while it builds the model. OmegaConf takes some 50 microseconds for one string each time:
seconds for the 8192 pieces of v3, and most of what building costs. What it makes of a plain string
is always the same node, so here the next node is made like the one before it.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from omegaconf import AnyNode, ListConfig
from omegaconf.base import Metadata

_PLAIN: Final = frozenset({str, int, float, bool, type(None)})
_MISSING: Final = "???"
_INTERPOLATION: Final = "${"
_HURRYING: Final = threading.RLock()


@contextmanager
def quick_lists() -> Iterator[None]:
    """Let OmegaConf append plain strings to lists, and copy lists of plain values, at once.

    Whatever is not plain takes OmegaConf's own way; what comes out is the same either way. It is
    for the whole process while it lasts; other threads get the same lists, sooner. One thread at a
    time may be inside.
    """
    with _HURRYING:
        append, copy = ListConfig.append, ListConfig.__deepcopy__
        ListConfig.append, ListConfig.__deepcopy__ = _quick(append, copy)
        try:
            yield
        finally:
            ListConfig.append, ListConfig.__deepcopy__ = append, copy


def _quick(
    append: Callable[[ListConfig, Any], None], copy: Callable[[ListConfig, Any], ListConfig]
) -> tuple[Callable[[ListConfig, Any], None], Callable[[ListConfig, Any], ListConfig]]:
    """The same methods, with a short way for what is plain."""

    def quick_append(self: ListConfig, item: Any) -> None:  # noqa: ANN401
        content = self.__dict__["_content"]
        if _takes(self, item) and content and _is_plain(content[-1]):
            content.append(_node(item, key=len(content), parent=self))
        else:
            append(self, item)

    def quick_copy(self: ListConfig, memo: dict[int, Any]) -> ListConfig:
        content = self.__dict__["_content"]
        if not (isinstance(content, list) and all(map(_is_plain, content))):
            return copy(self, memo)
        # all but the content by OmegaConf itself
        shell = ListConfig.__new__(ListConfig)
        shell.__dict__.update(self.__dict__, _content=[])
        twin = copy(shell, memo)
        twin.__dict__["_content"] = [
            _node(node.__dict__["_val"], key=node.__dict__["_metadata"].key, parent=twin)
            for node in content
        ]
        return twin

    return quick_append, quick_copy


def _takes(target: ListConfig, item: object) -> bool:
    """Whether a list takes a string as it is."""
    return (
        type(item) is str
        and item != _MISSING
        and _INTERPOLATION not in item
        and target.__dict__["_metadata"].element_type is Any
        and not target._get_flag("readonly")  # noqa: SLF001
    )


def _is_plain(node: object) -> bool:
    """Whether a node is as `_node` makes them."""
    if type(node) is not AnyNode:
        return False
    held = node.__dict__
    metadata = held["_metadata"]
    return type(held.get("_val")) in _PLAIN and not metadata.flags and not metadata.flags_root


def _node(value: object, *, key: int, parent: ListConfig) -> AnyNode:
    node = AnyNode.__new__(AnyNode)
    metadata = Metadata(ref_type=Any, object_type=None, key=key, optional=True, flags=None)
    node.__dict__.update(_metadata=metadata, _parent=parent, _flags_cache=None, _val=value)
    return node
