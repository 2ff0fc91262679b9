"""Symbols that an instance renames, macros of the source that it replaces whole, and macros with the names of ops."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pvasm.expand import ExpandErrors, expand
from pvasm.isa.mnemonics import is_mnemonic
from pvasm.paravirt.instance import Instance
from pvasm.paravirt.loading import load_catalog, load_instance
from pvasm.syntax.document import read_document
from pvasm.syntax.parser import Parser
from tests.oracle import require_tool

PARSER = Parser(is_mnemonic)
CATALOG = load_catalog()
XEN = load_instance("xen")
OLD, NEW = "__paravirt_switch_to", "xen_switch_to"


def expanded(text: str, instance: Instance = XEN, *, preprocessed: bool = False) -> str:
    return expand(read_document(PARSER, text, "t.S", preprocessed=preprocessed), CATALOG, instance)


@pytest.mark.parametrize(
    "line",
    [
        "{name}:",
        "\t.globl {name}, other",
        "\tbr.cond.sptk.many {name} ;;",
        "(p6)\tbr.call.sptk.many b0 = {name}",
        "\tmovl r2 = {name} + 16",
        "\tmovl r2 = @fptr({name})",
        "\tdata8 {name}",
        "\tGLOBAL_ENTRY({name})",
        "\tGLOBAL_ENTRY({name}) MOV_FROM_IFA(r3)",
        "#define ENTRY_POINT {name}",
        "#define LEAVE(x) mov r2 = x ; br.few {name}",
        '\t.xdata4 ".x", {name} - .',
        "a = {name}",
        "{{ .bbb\n\tnop.b 0\n\tnop.b 0\n\tbr.few {name}\n}}",
    ],
)
@pytest.mark.parametrize("preprocessed", [False, True])
def test_a_symbol_has_its_name_in_the_variant(line: str, preprocessed: bool) -> None:
    if preprocessed and line.startswith("#"):
        return
    source = line.format(name=OLD) + "\n"
    got = expanded(source, preprocessed=preprocessed)
    assert OLD not in got
    if "MOV_FROM" not in line:
        assert got == line.format(name=NEW) + "\n"


@pytest.mark.parametrize(
    "line",
    [
        f"\tnop 0\t// {OLD}",
        f"\tnop 0\t/* {OLD} */",
        f'\t.ascii "{OLD}"',
        f"\tbr.few {OLD}_not",
        f"\tbr.few not{OLD}",
        f"\tbr.few {OLD}.x",
        f"#ifdef {OLD}\n#endif",
        f"#include <{OLD}>",
        f"# define PASTE(x) x ## {OLD}",
        f"#define {OLD} mine\n\tbr.few {OLD}",
    ],
)
def test_what_is_no_such_symbol_stays(line: str) -> None:
    assert expanded(line + "\n").strip() == line.strip()


def test_the_c_preprocessor_would_do_the_same(tmp_path: Path) -> None:
    """A source with every renamed symbol, against `gcc -E -DOLD=NEW`."""
    names = list(XEN.renames)
    source = "".join(f"{name}:\n\tbr.few {name} ;;\n\tdata8 {name}, x_{name}, {name}_x\n" for name in names)
    flags = [f"-D{old}={new}" for old, new in XEN.renames.items()]
    command = [require_tool("gcc"), "-E", "-P", "-undef", *flags, "-x", "assembler-with-cpp", "-"]
    theirs = subprocess.run(command, input=source, capture_output=True, text=True, check=True).stdout
    assert expanded(source).split() == theirs.split()


# ------------------------------------------------------------------------------------------- blocks


def own_instance(tmp_path: Path, template: str) -> Instance:
    indented = "".join(f"      {line}\n" for line in template.splitlines())
    path = tmp_path / "own.yaml"
    path.write_text(f"name: own\ndescription: d\nextends: xen\nblocks:\n  DO_SAVE_MIN:\n    template: |\n{indented}")
    return load_instance(str(path), CATALOG)


BLOCK = (
    "MOV_FROM_IPSR(p0, r29)\n{{ save_ifs }}\n{{ cover }} ;;\n{% if extra %}\n{{ extra }}\n{% endif %}\nadd r2 = r3, r4"
)


def test_a_block_is_replaced_whole_and_the_ops_in_it_are_expanded(tmp_path: Path) -> None:
    own = own_instance(tmp_path, BLOCK)
    got = expanded("start:\n\tDO_SAVE_MIN(COVER, mov r30=cr.ifs, , RSE)\n\tnop 0\n", own)
    ipsr = XEN.expand(CATALOG.ops["MOV_FROM_IPSR"], ["p0", "r29"]).lines
    cover = XEN.expand(CATALOG.ops["COVER"], []).lines[0].removesuffix(";;").strip()
    wanted = ["start:", *ipsr, "mov r30=cr.ifs", f"{cover} ;;", "add r2 = r3, r4", "nop 0"]
    assert re.sub(r"(;;\s*)+", ";; ", " ".join(got.split())) == " ".join(" ".join(wanted).split())


def test_in_the_body_of_a_define_it_stays_one_line(tmp_path: Path) -> None:
    own = own_instance(tmp_path, BLOCK)
    source = "#define SAVE_MIN_WITH_COVER DO_SAVE_MIN(COVER, mov r30=cr.ifs, srlz.i, )\n\tnop 0\n"
    got = expanded(source, own)
    assert got.count("\n") == source.count("\n")
    assert "srlz.i" in got.splitlines()[0]
    assert "DO_SAVE_MIN" not in got


def test_an_instance_without_a_replacement_leaves_the_macro(tmp_path: Path) -> None:
    got = expanded("\tDO_SAVE_MIN(COVER, mov r30=cr.ifs, , RSE)\n")
    assert got.startswith("\tDO_SAVE_MIN(break.m ")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("DO_SAVE_MIN(COVER, a)", "DO_SAVE_MIN takes 4 arguments, not 2: cover, save_ifs, extra, workaround"),
        ("(p6) DO_SAVE_MIN(COVER, a, , )", "DO_SAVE_MIN is a statement of its own"),
        ("DO_SAVE_MIN(COVER, MOV_FROM_IFA(), , )", "MOV_FROM_IFA takes 1 argument"),
    ],
)
def test_an_invocation_that_is_not_as_the_catalog_has_it(source: str, message: str, tmp_path: Path) -> None:
    own = own_instance(tmp_path, BLOCK)
    with pytest.raises(ExpandErrors, match=re.escape(message)) as caught:
        expanded(f"\n\t{source}\n", own)
    assert caught.value.errors[0].line == 2


def test_what_is_wrong_in_a_block_is_said_at_its_use(tmp_path: Path) -> None:
    own = own_instance(tmp_path, "MOV_FROM_IFA(p6)")
    with pytest.raises(ExpandErrors, match=r"t\.S:3:2: DO_SAVE_MIN: MOV_FROM_IFA, parameter reg"):
        expanded("\n\n\tDO_SAVE_MIN(COVER, a, , )\n", own)


# ---------------------------------------------------------------------------------------- extension


def test_a_macro_of_the_file_with_the_name_of_an_extension_op_is_meant() -> None:
    extension = [op for op in CATALOG.ops.values() if op.extension]
    assert extension
    for op in extension:
        source = f"#define {op.name}(x) add x = x, r1\n\t{op.name}(r3)\n"
        assert expanded(source) == source
        source = f"\t.macro {op.name} x\n\tnop 0\n\t.endm\n\t{op.name} r3\n"
        assert expanded(source) == source


@given(st.lists(st.sampled_from([OLD, NEW, "x", ":", " ", "\n", "/*", "*/", "//", '"', "#define A ", ";", "(", ")"])))
def test_renaming_touches_nothing_but_names(parts: list[str]) -> None:
    text = "".join(parts)
    document = read_document(PARSER, text, "t.S", preprocessed=False)
    try:
        got = expand(document, CATALOG, XEN)
    except ExpandErrors:
        return
    assert got.replace(NEW, OLD) == text.replace(NEW, OLD)
