"""What is wrong with an instance or catalog file is said with its place; nothing makes reading it slow or large."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pvasm.errors import PvasmError
from pvasm.paravirt import yaml_nodes
from pvasm.paravirt.loading import load_catalog, load_instance
from pvasm.paravirt.shipped import instance_names
from pvasm.paravirt.yaml_nodes import parse_yaml
from tests.work import Bounded

HEAD = "name: mine\ndescription: A test\nextends: native\n"


def error_of(text: str | bytes, folder: Path) -> str:
    """The message, with its place, for an instance file of this text; the file is called FILE."""
    path = folder / "mine.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(PvasmError) as caught:
        load_instance(str(path))
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(str(path), "FILE")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: [a\n", r"FILE:2:1: .*"),
        ("", r"FILE:1: empty file"),
        ("just text\n", r"FILE:1:1: expected a mapping, got text"),
        ("name: 3\ndescription: x\n", r"FILE:1:7: name: expected text, got an integer"),
        ("description: x\n", r"FILE:1:1: the key name is missing"),
        (HEAD + "defnies: X\n", r"FILE:4:1: unknown key defnies \(did you mean defines\?\); known are name, .*"),
        (HEAD + "name: other\n", r"FILE:4:1: the key name stands twice; first on line 1"),
        (
            HEAD + "environment: moon\n",
            r"FILE:4:14: environment: 'moon' is not an environment: hardware, xen, trap; for a hypervisor .*",
        ),
        (
            HEAD.replace("native", "nativ"),
            r"FILE:3:10: extends: unknown instance nativ \(did you mean native\?\); known .*",
        ),
        (HEAD.replace("native", "../native"), r"FILE:3:10: extends: unknown instance \.\./native.*"),
        (HEAD.replace("native", "mine"), r"FILE:3:10: extends: goes in a circle, or too far"),
        (HEAD.replace("native", "./mine.yaml"), r"FILE:3:10: extends: goes in a circle, or too far"),
        (HEAD.replace("native", "./none.yaml"), r"FILE:3:10: extends: unknown instance .* and files beside this one.*"),
        (HEAD.replace("native", "../mine.yaml"), r"FILE:3:10: extends: unknown instance .*"),
        *(
            (HEAD.replace("mine", name), f"FILE:1:7: name: the name {name} is taken")
            for name in ("all", "native", "xen")
        ),
        (HEAD + 'defines: "a\\0"\n', r"FILE:4:10: the character #x0000 is not allowed"),
        (
            HEAD + 'ops:\n  RFI: {template: "nop \\ud800"}\n',
            r"FILE:5:\d+: (found invalid Unicode|the character #xd800).*",
        ),
        *(
            (
                HEAD + f"ops:\n  MOV_FROM_IFA: {{template: nop 0, not_among: {{reg: [{words}]}}}}\n",
                rf"FILE:5:\d+: ops\.MOV_FROM_IFA\.not_among\.reg: {words} is an empty range, or goes beyond r127",
            )
            for words in ("r5-r1", "r1-r999")
        ),
        (HEAD.replace("name: mine", "name: Mine!"), r"FILE:1:7: name: 'Mine!' is not a name of .*"),
        (HEAD + "constants: {lower: 1}\n", r"FILE:4:13: constants\.lower: a constant's name is of capital .*"),
        (HEAD + "constants: {A: [1]}\n", r"FILE:4:\d+: constants: expected an integer or text, got a list"),
        (
            HEAD + "ops:\n  MOV_FROM_IFFA: {template: x}\n",
            r"FILE:5:3: ops\.MOV_FROM_IFFA: no such op .*did you mean MOV_FROM_IFA.*",
        ),
        (HEAD + "ops:\n  RFI: {template: 1}\n", r"FILE:5:\d+: ops\.RFI\.template: expected text, got an integer"),
        (
            HEAD + "ops:\n  RFI: {temlate: x}\n",
            r"FILE:5:9: ops\.RFI: unknown key temlate \(did you mean template\?\).*",
        ),
        (HEAD + "ops:\n  RFI: {}\n", r"FILE:5:8: ops\.RFI: the key template is missing"),
        (
            HEAD + "ops:\n  MOV_FROM_IFA:\n    apart: [[rge]]\n    template: nop 0\n",
            r"FILE:6:5: ops\.MOV_FROM_IFA\.apart: MOV_FROM_IFA has no parameter rge \(did you mean reg\?\)",
        ),
        (
            HEAD + "ops:\n  MOV_FROM_IFA:\n    not_among: {reg: [x9]}\n    template: nop 0\n",
            r"FILE:6:5: ops\.MOV_FROM_IFA\.not_among\.reg: x9 is no register, .*",
        ),
        ("name: x\ndescription: y\n", r"FILE:1:1: ops: no definition of MOV_FROM_IFA, MOV_FROM_ITIR, .*"),
        ("a: 1\n---\nb: 2\n", r"FILE:2:1: a second document in the file"),
        ("a: !!python/object/apply:os.system [x]\n", r"FILE:1:4: the tag .* is not allowed"),
        ("[a]: 1\n", r"FILE:1:1: a key must be a word"),
        ("x" * 101 + ": 1\n", r"FILE:1:1: a key of more than 100 characters"),
        ("a: *b\n", r"FILE:1:4: the alias \*b has no anchor"),
        ("a: &b [*b]\n", r"FILE:1:8: the alias \*b stands in what it stands for"),
        ("[" * 900, r"FILE:1:17: nested more than 16 deep"),
        ("[" * 5000, r"FILE:1:\d+: (nested more than 16 deep|exceeded maximum nesting depth, .*)"),
        ("a: '\x07'\n", r"FILE:1: character #x0007 is not allowed in YAML"),
        (b"a: 1\nb: \xff\n", r"FILE:2:4: not UTF-8"),
        (b"#" * (2 << 20), r"FILE: larger than 1 MiB: not read"),
    ],
)
def test_message(text: str | bytes, message: str, tmp_path: Path) -> None:
    assert re.fullmatch(message, error_of(text, tmp_path)), error_of(text, tmp_path)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(PvasmError, match=r"no such file"):
        load_instance(str(tmp_path / "none.yaml"))
    with pytest.raises(PvasmError, match=r"is a folder, not a file"):
        load_instance(f"{tmp_path}/")


def test_an_unknown_name_lists_the_known_ones() -> None:
    assert {"native", "xen"} <= set(instance_names())
    for name in ("xne", "ops", "", "Xen", "native\n"):
        with pytest.raises(PvasmError, match=rf"unknown instance .*known are {', '.join(instance_names())}"):
            load_instance(name)


def test_aliases_are_counted_as_what_they_stand_for(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    with Bounded(3_000):
        assert "values, with aliases unfolded" in error_of("\n".join(lines), tmp_path)


def test_aliases_work(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(HEAD + "ops:\n  COVER: &same {template: nop 1}\n  RFI: *same\n")
    instance = load_instance(str(path))
    assert instance.expand(instance.catalog.ops["RFI"], []).lines == ("nop 1",)
    assert instance.extends == "native"
    assert instance.environment == "hardware"
    assert instance.defines == "__IA64_ASM_PARAVIRTUALIZED_NATIVE"


def test_extends_a_file_beside(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(HEAD.replace("mine", "base") + "ops:\n  RFI: {template: nop 2}\n")
    for base in ("./base.yaml", "base.yaml", "base"):
        path = tmp_path / "mine.yaml"
        path.write_text(HEAD.replace("native", base))
        instance = load_instance(str(path))
        assert instance.expand(instance.catalog.ops["RFI"], []).lines == ("nop 2",)


def test_a_shipped_file_may_be_given_by_its_path() -> None:
    path = load_instance("xen").path
    assert load_instance(path).name == "xen"


def test_scalars() -> None:
    text = "{a: 1, b: 0x10, c: yes, d: '1', e: 010, f: 1.5, g: , h: true, i: -3, j: 0o17, k: ~}"
    plain = parse_yaml(text, "t").plain()
    expected = {
        "a": 1,
        "b": 16,
        "c": "yes",
        "d": "1",
        "e": 10,
        "f": "1.5",
        "g": None,
        "h": True,
        "i": -3,
        "j": 15,
        "k": None,
    }
    assert plain == expected


@given(st.text(alphabet=st.sampled_from("ab:[]{}&*!|>-#,'\"\n \t%@`\\?~0x"), max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse_yaml(text, "t").plain()
    except PvasmError as error:
        assert error.line is not None  # noqa: PT017


CATALOG = """ops:
  ONE:
    parameters: {reg: general out}
    replaces: mov reg = cr.ifa
    class: test
    doc: A test.
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "general out",
            "genral out",
            r"FILE:3:23: ops\.ONE\.parameters\.reg: 'genral out' is no `kind use` \(did you mean general out\?\).*",
        ),
        ("reg: general out", "Reg: general out", r"FILE:3:18: ops\.ONE\.parameters\.Reg: a parameter's name is .*"),
        ("mov reg", "mov r1", r"FILE:4:15: ops\.ONE\.replaces: does not name the parameter reg"),
        ("general out", "general clobber", r"FILE:4:15: ops\.ONE\.replaces: names the clobber reg"),
        ("ONE", "One", r"FILE:2:3: ops\.One: an op's name is of capital letters, digits and _"),
        ("doc: A test.", "dco: A test.", r"FILE:6:5: ops\.ONE: unknown key dco \(did you mean doc\?\).*"),
        (
            "ops:",
            "kernel_registers: {X: 9}\nops:",
            r"FILE:1:20: kernel_registers\.X: 9 is no kernel register's number .*",
        ),
    ],
)
def test_catalog_message(old: str, new: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "ops.yaml"
    path.write_text(CATALOG.replace(old, new, 1))
    with pytest.raises(PvasmError) as caught:
        load_catalog(path)
    assert re.fullmatch(message, str(caught.value).replace(str(path), "FILE")), caught.value


def test_an_extension_is_marked(tmp_path: Path) -> None:
    path = tmp_path / "ops.yaml"
    path.write_text(CATALOG)
    assert not load_catalog(path).ops["ONE"].extension
    path.write_text("extension: true\n" + CATALOG)
    assert load_catalog(path).ops["ONE"].extension


def test_bounds_are_what_the_shipped_files_need_and_more() -> None:
    for name in ("ops", "native", "xen"):
        node = yaml_nodes.read_yaml(Path(load_catalog().path).with_name(f"{name}.yaml"))
        assert node.size * 5 < yaml_nodes.MAX_NODES
        assert node.depth * 2 < yaml_nodes.MAX_DEPTH
