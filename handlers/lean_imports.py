"""Imports that a worker never uses, put off until something asks for them.

NeMo, Lightning and pyannote.audio import what they train, test, plot and export with; a worker only
loads and answers. Nothing is replaced here and nothing is lost: what `unneeded` lists is imported
later, by whoever first uses it. Three ways, from the mildest to the strongest:

- `RE_EXPORTS`: packages whose `__init__` runs without the imports that it only passes on. Whoever
  asks the package for such a name gets it from where it lives, as with Python's own lazy imports.
- `PUT_OFF`: modules of which nothing runs before somebody uses them. The names beside a module may
  be imported from it nevertheless: they are promises, kept when they are called or derived from,
  and `isinstance` answers for them. Any other name, and any module below it, makes the module run.
  Threads that ask at once see the whole module; where it fails to run, it goes on waiting, and
  everybody who asks is told why.
- `cpuinfo`: for one log line the SDK asks it for the processor's name, and it starts a second
  Python for that. It answers from /proc instead.

`PARLEY_LEAN_IMPORTS=0` turns all of it off. `tests/test_lean_imports.py` fails where an upgrade of
a library asks for what is put off, and where an engine answers differently with and without.
"""

import ast
import importlib
import os
import sys
import types
from collections.abc import Mapping, Sequence
from importlib.abc import InspectLoader, Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import resolve_name
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from handlers.unneeded import COMPANIONS, PUT_OFF, RE_EXPORTS

_locks: Final = sys.modules["importlib._bootstrap"]
"""The import system: its lock for each module is the only one to be had that sees deadlocks."""

SWITCH: Final = "PARLEY_LEAN_IMPORTS"


def import_leanly(modules: Mapping[str, Sequence[str]] = PUT_OFF) -> None:
    """Put off what a worker never uses, from now on, unless the switch says no.

    To be called before NeMo, pyannote.audio, Lightning or the SDK is imported: what is there
    already stays as it is. Calling it again changes nothing.

    Args:
        modules: those to put off, with the names that each promises.

    """
    if os.environ.get(SWITCH, "1") == "0" or any(isinstance(f, _Finder) for f in sys.meta_path):
        return
    sys.meta_path.insert(0, _Finder(modules))
    sys.modules.setdefault("cpuinfo", _cpuinfo())


def put_off() -> frozenset[str]:
    """The modules that are still waiting for somebody to use them."""
    return frozenset(name for name, found in sys.modules.items() if type(found) is _Waiting)


class _Finder(MetaPathFinder):
    def __init__(self, modules: Mapping[str, Sequence[str]]) -> None:
        self._put_off = modules

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        parent = sys.modules.get(fullname.rpartition(".")[0])
        if parent is not None and fullname not in self._put_off:
            _wake(parent)
        if fullname not in RE_EXPORTS and fullname not in self._put_off:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, InspectLoader):
            spec.loader = (
                _WaitingLoader(spec.loader, promises=self._put_off[fullname])
                if fullname in self._put_off
                else _PassingLoader(spec.loader)
            )
        return spec


class _PassingLoader(Loader):
    """Runs a package's `__init__` without what it imports only to pass it on."""

    def __init__(self, real: InspectLoader) -> None:
        self._real = real

    def exec_module(self, module: ModuleType) -> None:
        tree = ast.parse(self._real.get_source(module.__name__) or "")
        used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        homes: dict[str, tuple[str, str]] = {}
        stars: list[str] = []
        kept: list[ast.stmt] = []
        for statement in tree.body:
            if not isinstance(statement, ast.ImportFrom) or statement.module == "__future__":
                kept.append(statement)
                continue
            source = resolve_name(
                "." * statement.level + (statement.module or ""), module.__package__
            )
            names = {alias.asname or alias.name: alias.name for alias in statement.names}
            if "*" in names and source in RE_EXPORTS:
                stars.append(source)
            elif "*" in names or not used.isdisjoint(names) or any(map(_is_special, names)):
                kept.append(statement)
            elif source != module.__name__:  # its own submodules are found without help
                homes |= {name: (source, original) for name, original in names.items()}
        tree.body = kept
        module.__dict__["__homes__"] = homes
        module.__dict__["__stars__"] = stars
        module.__class__ = _Passing
        exec(compile(tree, str(module.__file__), "exec"), module.__dict__)  # noqa: S102  as any loader


class _Passing(ModuleType):
    """A package that finds what it passes on when it is asked for it."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        if _is_special(name):
            raise AttributeError(name)
        value = self.__found(name)
        self.__dict__[name] = value
        return value

    def __found(self, name: str) -> Any:  # noqa: ANN401
        if home := self.__dict__["__homes__"].get(name):
            return _member(*home)
        for star in self.__dict__["__stars__"]:
            try:
                return getattr(importlib.import_module(star), name)
            except AttributeError:
                continue
        own = f"{self.__name__}.{name}"
        try:
            return importlib.import_module(own)
        except ModuleNotFoundError as error:
            if error.name != own:
                raise
            message = f"module {self.__name__!r} has no attribute {name!r}"
            raise AttributeError(message) from None


def _is_special(name: str) -> bool:
    return name.startswith("__")


def _member(module: str, name: str) -> Any:  # noqa: ANN401
    home = importlib.import_module(module)
    try:
        return getattr(home, name)
    except AttributeError:
        return importlib.import_module(f"{module}.{name}")


class _WaitingLoader(Loader):
    def __init__(self, real: InspectLoader, *, promises: Sequence[str]) -> None:
        self.real = real
        self.promises = dict.fromkeys(promises)

    def exec_module(self, module: ModuleType) -> None:
        for name in self.promises:
            module.__dict__[name] = _Promise(name, (), {"__module__": module.__name__})
        module.__class__ = _Waiting


class _Waiting(ModuleType):
    """A module that runs when it is asked for what it has not promised."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        if _is_special(name) and name not in ("__version__", "__all__"):
            raise AttributeError(name)
        _wake(self)
        return getattr(self, name)


class _Waking(ModuleType):
    """A module that runs just now: whoever else asks it for something waits until it has run."""

    def __getattribute__(self, name: str) -> Any:  # noqa: ANN401
        if not _is_special(name) or name == "__all__":
            # returns at once in the thread that runs the module, and where two wait for each other
            _locks._lock_unlock_module(self.__name__)  # noqa: SLF001
            if type(self) is not _Waking:
                return getattr(self, name)
        return super().__getattribute__(name)


def _wake(module: ModuleType) -> None:
    """Run a module that waits, in its own place; return when it has run, in whatever thread.

    Raises:
        Exception: whatever running it has raised. It goes on waiting then.

    """
    if type(module) is _Waking:
        _locks._lock_unlock_module(module.__name__)  # noqa: SLF001
    if type(module) is not _Waiting:
        return
    for name in (module.__name__.rpartition(".")[0], *COMPANIONS.get(module.__name__, ())):
        if name in sys.modules:
            _wake(sys.modules[name])
    with _locks._ModuleLockManager(module.__name__):  # noqa: SLF001
        loader = module.__loader__
        if type(module) is _Waiting and isinstance(loader, _WaitingLoader):
            _run(module, loader)


def _run(module: ModuleType, loader: _WaitingLoader) -> None:
    before = dict(module.__dict__)
    object.__setattr__(module, "__class__", _Waking)
    for name in loader.promises:
        module.__dict__.pop(name, None)
    _load_with(loader.real, module)
    try:
        loader.real.exec_module(module)
    except BaseException:
        for name, value in list(module.__dict__.items()):
            # what it has imported of itself is not imported again
            if name not in before and sys.modules.get(f"{module.__name__}.{name}") is not value:
                del module.__dict__[name]
        module.__dict__.update(before)
        _load_with(loader, module)
        object.__setattr__(module, "__class__", _Waiting)
        raise
    if type(module) is _Waking:  # some give themselves a class of their own
        object.__setattr__(module, "__class__", ModuleType)


def _load_with(loader: Loader, module: ModuleType) -> None:
    module.__loader__ = loader
    if module.__spec__ is not None:
        module.__spec__.loader = loader


class _Promise(type):
    """Stands for a class or a function of a module that has not run yet."""

    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> type:
        """Make a promise; of a class that derives from one, the class that was meant."""
        if not bases:
            return super().__new__(cls, name, bases, namespace)
        real = tuple(_kept(base) for base in bases)
        return types.new_class(name, real, exec_body=lambda body: body.update(namespace))

    def __real(cls) -> Any:  # noqa: ANN401
        return _kept(cls)

    def __instancecheck__(cls, instance: object) -> bool:
        """Nothing is an instance of a class whose module has not run."""
        waits = type(sys.modules.get(cls.__module__)) is _Waiting
        return not waits and isinstance(instance, cls.__real())

    def __subclasscheck__(cls, subclass: type) -> bool:
        waits = type(sys.modules.get(cls.__module__)) is _Waiting
        return not waits and issubclass(subclass, cls.__real())

    def __bool__(cls) -> bool:
        """Whatever was meant may be false."""
        return bool(cls.__real())

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        return cls.__real()(*args, **kwargs)

    def __getitem__(cls, key: object) -> Any:  # noqa: ANN401
        return cls.__real()[key]

    def __getattr__(cls, name: str) -> Any:  # noqa: ANN401
        if _is_special(name):
            raise AttributeError(name)
        return getattr(cls.__real(), name)


def _kept(base: type) -> Any:  # noqa: ANN401
    if not isinstance(base, _Promise):
        return base
    module = importlib.import_module(base.__module__)
    _wake(module)
    return getattr(module, base.__name__)


def _cpuinfo() -> ModuleType:
    module = ModuleType("cpuinfo", "The processor's name, without a second Python.")
    module.__dict__["get_cpu_info"] = lambda: {"brand_raw": _processor()}
    return module


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "")
