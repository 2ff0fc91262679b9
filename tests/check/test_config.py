"""The configuration: where it is found, what it says, and what is wrong with it."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pvasm.check.codes import known_codes
from pvasm.check.rule import every_rule
from pvasm.config import Config, Globs, find_config, read_config
from pvasm.errors import PvasmError

CODES = known_codes()


def written(folder: Path, text: str, name: str = "pvasm.toml") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def read(folder: Path, text: str, name: str = "pvasm.toml") -> Config:
    return read_config(str(written(folder, text, name)), CODES)


def test_codes_are_known_without_their_rules() -> None:
    assert list(CODES) == list(every_rule())


def test_every_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = read(
        tmp_path / "project",
        """
        paths = ["arch", "more/x.S"]
        exclude = ["boot/*"]
        select = ["PV0", "pv201"]
        extend-select = ["PV004"]
        ignore = ["PV003"]
        instances = ["xen", "./mine.yaml"]
        cpp = true
        include-dirs = ["include"]
        defines = ["A=1"]
        includes = ["a.h"]
        jobs = 3
        baseline = "known.json"
        [severity]
        PV2 = "off"
        PV201 = "warning"
        [per-file-ignores]
        "*.h" = ["PV001"]
        """,
    )
    assert config == Config(
        folder=str(tmp_path / "project"),
        path="project/pvasm.toml",
        paths=("project/arch", "project/more/x.S"),
        exclude=("boot/*",),
        select=("PV0", "PV201"),
        extend_select=("PV004",),
        ignore=("PV003",),
        per_file_ignores=(("*.h", ("PV001",)),),
        severity=(("PV2", "off"), ("PV201", "warning")),
        instances=("xen", "project/mine.yaml"),
        cpp=True,
        include_dirs=("project/include",),
        defines=("A=1",),
        includes=("project/a.h",),
        jobs=3,
        baseline="project/known.json",
    )


def test_pyproject(tmp_path: Path) -> None:
    text = '[project]\nname = "x"\nselect = 5\n[tool.pvasm]\nselect = ["PV001"]\n[tool.other]\nignore = 1\n'
    assert read(tmp_path, text, "pyproject.toml").select == ("PV001",)


WRONG = [
    ("jobs = 1\nselct = []\n", 2, "did you mean select?"),
    ("ignore = 'PV001'", 1, "list of strings"),
    ("ignore = ['PV001', 5]", 1, "list of strings"),
    ("ignore = [\n  'PV001',\n  'PV901X',\n]", 3, "did you mean PV901?"),
    ("ignore = ['']", 1, "empty string"),
    ("select = ['PV77']", 1, "unknown code 'PV77'"),
    ("jobs = 0", 1, "from 1 to"),
    ("jobs = true", 1, "from 1 to"),
    ("jobs = '2'", 1, "from 1 to"),
    ("cpp = 'yes'", 1, "true or false"),
    ("baseline = ['x']", 1, "name of a file"),
    ("severity = ['PV001']", 1, "must be a table"),
    ("\n[severity]\nPV001 = 'warn'", 3, "did you mean warning?"),
    ("\n[severity]\nPV001 = 1", 3, "one of error, warning, note, off"),
    ("\n[severity]\nPVOO1 = 'note'", 3, "unknown code"),
    ("per-file-ignores = ['PV001']", 1, "must be a table"),
    ("\n[per-file-ignores]\n'*.h' = 'PV001'", 3, "list of codes"),
    ("\n[per-file-ignores]\n'*.h' = ['PVX']", 3, "unknown code"),
    ('paths = ["a\\u0000"]', 1, "NUL"),
    ("jobs = 1\njobs = 2\n", 2, "overwrite"),
    ("jobs = ", 1, "value"),
    ("x = " + "[" * 5000, None, "nested"),
    ("jobs = " + "9" * 5000, None, "a number that is too long"),
    ("a." * 200 + "a = 1", 1, "dots"),
]


@pytest.mark.parametrize(("text", "line", "words"), WRONG, ids=[words for _, _, words in WRONG])
@pytest.mark.parametrize("shared", [False, True], ids=["pvasm.toml", "pyproject.toml"])
def test_what_is_wrong_is_told_with_its_line(
    tmp_path: Path, text: str, line: int | None, words: str, shared: bool
) -> None:
    above = "[tool.x]\njobs = 1\nignore = []\ncpp = 0\n[tool.pvasm]\n" if shared else ""
    text = text.replace("[severity]", "[tool.pvasm.severity]").replace("[per-", "[tool.pvasm.per-") if shared else text
    with pytest.raises(PvasmError) as error:
        read(tmp_path, above + text, "pyproject.toml" if shared else "pvasm.toml")
    assert words in error.value.message
    assert error.value.line == (None if line is None else line + above.count("\n"))
    assert error.value.path is not None


def test_files_that_are_no_configuration(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(b"paths = ['\xff']")
    with pytest.raises(PvasmError, match="UTF-8"):
        read_config(str(tmp_path / "a.toml"), CODES)
    with pytest.raises(PvasmError, match="KiB"):
        read(tmp_path, "#" * (1 << 20))
    with pytest.raises(PvasmError, match="no such file"):
        read_config(str(tmp_path / "none.toml"), CODES)
    with pytest.raises(PvasmError, match="must be a table"):
        read(tmp_path, "[tool]\npvasm = 3\n", "pyproject.toml")
    for name, text in (("pvasm.toml", "jobs = 1\n"), ("pyproject.toml", "[tool.pvasm]\njobs = 1\n")):
        with pytest.raises(PvasmError, match=r":1:1: begins with a byte order mark, which TOML has not: save it as"):
            read(tmp_path, f"\ufeff{text}", name)


WORDS = ["[", "]", "{", "}", "jobs", "=", "'", '"', "\n", "severity", ".", "PV001", "1", ","]


@given(st.text(max_size=80) | st.lists(st.sampled_from(WORDS), max_size=30).map("".join))
def test_any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_text(text)
    with contextlib.suppress(PvasmError):
        assert read_config(str(path), CODES).folder == str(path.parent)


def test_the_nearest_upward(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outer = written(tmp_path, "", "pvasm.toml")
    (tmp_path / "a/b/c").mkdir(parents=True)
    (tmp_path / "a/b/c/x.S").touch()
    (tmp_path / "d").mkdir()
    monkeypatch.chdir(tmp_path / "a/b/c")
    assert find_config([]) == str(outer)
    written(tmp_path / "a/b", "[tool.other]\n", "pyproject.toml")  # not ours
    assert find_config([]) == str(outer)
    for text in ("[ tool . pvasm ]\n", "\ufeff[tool.pvasm]\n", "[tool]\npvasm = {jobs = 1}\n", "tool.pvasm.jobs = 1\n"):
        inner = written(tmp_path / "a/b", text, "pyproject.toml")
        assert find_config([]) == str(inner)
    for text in ("[project]\nname = 'pvasm'\n", "pvasm = [\n", "tool = 3\nx = 'pvasm'\n"):
        written(tmp_path / "a/b", text, "pyproject.toml")
        assert find_config([]) == str(outer)
    inner = written(tmp_path / "a/b", "[tool.pvasm]\n", "pyproject.toml")
    own = written(tmp_path / "a/b", "", "pvasm.toml")
    assert find_config([]) == str(own)
    monkeypatch.chdir(tmp_path / "d")
    assert find_config([]) == str(outer)
    assert find_config(["-"]) == str(outer)
    assert find_config(["../a/b/c/x.S"]) == str(own)  # the project of what is checked
    assert find_config(["../a/b", "../a/b/c"]) == str(own)
    assert find_config(["../a/b/c/x.S", "."]) == str(outer)  # what holds them all
    assert find_config(["../nothing.S"]) == str(outer)


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("boot", "boot/a.S", True),
        ("boot", "arch/boot/a.S", True),
        ("boot", "arch/reboot/a.S", False),
        ("boot/", "boot/a.S", True),
        ("./boot/a.S", "boot/a.S", True),
        ("arch/boot", "arch/boot/deep/a.S", True),
        ("arch/boot", "x/arch/boot/a.S", False),
        ("*.h", "include/asm/a.h", True),
        ("*.h", "a.hh", False),
        ("arch/*/a.S", "arch/x/y/a.S", True),
        ("[ab].S", "b.S", True),
        ("[ab.S", "b.S", False),
        ("**/a.S", "x/a.S", True),
    ],
)
def test_globs(tmp_path: Path, pattern: str, path: str, matches: bool) -> None:
    assert Globs([pattern], str(tmp_path)).match(str(tmp_path / path)) is matches


def test_a_hostile_glob_takes_no_time(tmp_path: Path) -> None:
    assert not Globs(["*a" * 100 + "b"], str(tmp_path)).match(str(tmp_path / ("a" * 200)))


def test_the_documentation_shows_every_key(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs/configuration.md").read_text()
    example = text.split("```toml\n")[1].split("```")[0]
    config = read(tmp_path, example)
    silent = Config(path=config.path, folder=config.folder)
    assert [name for name in Config.__struct_fields__[2:] if getattr(config, name) == getattr(silent, name)] == []
