"""Imports of what a run needs, without what that imports in turn for others: half of what a short run would import."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any


def import_leanly() -> None:
    """Imports argparse without translations of its texts, and msgspec without the types that no value here is of.

    The modules that are left out are as they were afterwards: only these two have seen others in their places. Those of
    msgspec itself are imported when somebody does so.
    """
    for name, stand_ins in _LEFT_OUT.items():
        # Another version may need more of them: then whoever uses it imports it as it is.
        with contextlib.suppress(AttributeError, ImportError), _replaced(stand_ins):
            importlib.import_module(name)
    if "msgspec" in sys.modules and "msgspec.inspect" not in sys.modules:
        vars(sys.modules["msgspec"]).pop("inspect", None)  # or the stand-in would be there for good


@contextlib.contextmanager
def _replaced(stand_ins: Mapping[str, Callable[[], ModuleType | None]]) -> Iterator[None]:
    """Has stand-ins in the places of modules that have not been imported; None is one that is missing."""
    instead: dict[str, Any] = {name: make() for name, make in stand_ins.items() if name not in sys.modules}
    sys.modules.update(instead)
    try:
        yield
    finally:
        for name in instead:
            del sys.modules[name]


def _module(name: str, **contents: Any) -> ModuleType:
    made = ModuleType(name)
    vars(made).update(contents)
    return made


def _dedent(text: str) -> str:
    return str(importlib.import_module("textwrap").dedent(text))


def _json_schema() -> ModuleType:
    return importlib.import_module("msgspec._json_schema")


_LEFT_OUT: dict[str, dict[str, Callable[[], ModuleType | None]]] = {
    "argparse": {
        "gettext": lambda: _module(
            "gettext",
            gettext=lambda message: message,
            ngettext=lambda singular, plural, number: singular if number == 1 else plural,
        ),
    },
    "msgspec": {
        "typing_extensions": lambda: None,
        "uuid": lambda: _module("uuid", UUID=type("UUID", (), {}), SafeUUID=type("SafeUUID", (), {"unknown": None})),
        "decimal": lambda: _module("decimal", Decimal=type("Decimal", (), {})),
        "datetime": lambda: importlib.import_module("_datetime"),  # without its equal in Python
        "textwrap": lambda: _module("textwrap", dedent=_dedent),
        "msgspec.inspect": lambda: _module("msgspec.inspect"),
        "msgspec._json_schema": lambda: _module(
            "msgspec._json_schema",
            schema=lambda *types, **options: _json_schema().schema(*types, **options),
            schema_components=lambda *types, **options: _json_schema().schema_components(*types, **options),
        ),
    },
}
