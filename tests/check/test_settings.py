"""M18: what an answer depends on is one struct, whole in the cache's key."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from pvasm.check.check_files import check_files
from pvasm.check.checker import Checker
from pvasm.check.settings import AnswerSettings, BareFiles, CppSettings, Settings

# For each field another value than any other has; a field that is missing here fails the test.
OTHER: dict[str, Any] = {
    "select": ("PV001",),
    "ignore": ("PV001",),
    "instances": ("xen",),
    "cpp": CppSettings(),
    "extend_select": ("PV001",),
    "find_unused": False,
    "extension": True,
    "user_level": (".gate",),
    "bare_files": BareFiles("/", ("head.S",)),
    "within": ("a",),
    "built": (("/a.S", CppSettings()),),
    "fixes": True,
}
OTHER_CPP: dict[str, Any] = {
    "include_directories": ("a",),
    "defines": ("a",),
    "includes": ("a",),
    "op_headers": ("a",),
}


def variants() -> Iterator[AnswerSettings]:
    yield AnswerSettings()
    for name in AnswerSettings.__struct_fields__:
        yield AnswerSettings(**{name: OTHER[name]})
    for name in CppSettings.__struct_fields__:
        yield AnswerSettings(cpp=CppSettings(**{name: OTHER_CPP[name]}))


def test_every_setting_is_in_the_key() -> None:
    keys = [settings.key() for settings in variants()]
    assert len(set(keys)) == len(keys)
    assert len({Checker(Settings(**{name: OTHER[name]})).key for name in OTHER}) == len(OTHER)


def test_a_checker_has_what_answers_depend_on_alone() -> None:
    """Its settings are of the struct that is hashed, so a rule cannot ask for one that is not."""
    settings = Settings(use_cache=False, root="x", jobs=3, extension=True)
    assert type(Checker(settings).settings) is AnswerSettings
    assert Checker(settings).settings == AnswerSettings(extension=True)
    assert Checker(settings).key == Checker(replace(settings, use_cache=True, root="y", jobs=None)).key


def test_with_the_cache_the_extension_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """M18 itself."""
    monkeypatch.setenv("PVASM_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "f.S").write_text("\tptc.ga r2, r3\n")

    def found(**settings: Any) -> list[tuple[str, str]]:
        results = check_files([str(tmp_path / "f.S")], Settings(**settings))
        return [(d.code, d.message) for result in results for d in result.diagnostics]

    fresh = [found(use_cache=False), found(use_cache=False, extension=True)]
    assert fresh[0] != fresh[1]
    assert [found(), found(extension=True)] == fresh == [found(), found(extension=True)]
