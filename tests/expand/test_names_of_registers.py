"""What a name is, where it is not what it seems: wrong code without a message would come of a wrong guess."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pvasm.errors import PvasmError
from pvasm.expand import ExpandErrors, expand
from pvasm.header.write import instance_header
from pvasm.isa.mnemonics import is_mnemonic
from pvasm.paravirt.loading import load_catalog, load_instance
from pvasm.syntax.document import read_document
from pvasm.syntax.parser import Parser
from tests.cli.command import pvasm
from tests.oracle import require_tool

PARSER = Parser(is_mnemonic)
CATALOG = load_catalog()


def expanded(text: str, instance: str = "xen") -> str:
    return expand(read_document(PARSER, text, "t.S", preprocessed=False), CATALOG, load_instance(instance))


@pytest.mark.parametrize(
    "define",
    [
        "SAVE(r8) MOV_FROM_IVR(r8, r20)",
        "SAVE(ret0) MOV_FROM_IVR(ret0, r20)",
        "SAVE(CURRENT) MOV_TO_KR(CURRENT, r20, r21, r22)",
    ],
)
def test_a_parameter_that_is_called_as_a_register_is_none(define: str) -> None:
    with pytest.raises(ExpandErrors, match="is a parameter here, and called as a register"):
        expanded(f"#define {define}\n\tSAVE(r9)\n")


@pytest.mark.parametrize(
    "text",
    [
        "#ifndef TMP\n#define TMP r8\n#endif\n",
        "#ifdef SOMETHING\n#define TMP r8\n#endif\n",
        "\t.if X\nTMP = r8\n\t.endif\n",
        "#define TMP() r8\n",
    ],
)
def test_a_definition_that_may_not_hold_tells_nothing(text: str) -> None:
    with pytest.raises(ExpandErrors, match="it matters which register TMP is"):
        expanded(f"{text}\tMOV_FROM_IVR(TMP, r20)\n")


@pytest.mark.parametrize(
    "text",
    [
        "#define TMP r8\n\tMOV_FROM_IVR(TMP, r20)\n",
        "#ifdef A\n#define TMP r8\n\tMOV_FROM_IVR(TMP, r20)\n#endif\n",
        "#ifdef __IA64_ASM_PARAVIRTUALIZED_XEN\n#define TMP r8\n#endif\n\tMOV_FROM_IVR(TMP, r20)\n",
    ],
)
def test_one_that_surely_holds_does(text: str) -> None:
    assert "mov TMP = r8" not in expanded(text)


@pytest.mark.parametrize("instance", ["native", "xen", "trap", "native-poison"])
@pytest.mark.parametrize(
    "op", ["MOV_FROM_IPSR(p0, r8)", "MOV_FROM_IFA(r8)", "RSM_PSR_BE(p7)", "COVER", "RFI", "RSM_PSR_DT"]
)
def test_a_header_does_not_lose_a_predicate(op: str, instance: str, tmp_path: Path) -> None:
    source = f"{instance_header(load_instance(instance))}\n\t(p6) {op}\n"
    command = [require_tool("gcc"), "-E", "-P", "-undef", "-D__ASSEMBLY__", "-x", "assembler-with-cpp", "-"]
    text = subprocess.run(command, input=source, capture_output=True, text=True, check=True).stdout
    assembler = [require_tool("ia64-linux-gnu-as"), "-x", "-o", str(tmp_path / "t.o"), "-"]
    done = subprocess.run(assembler, input=text, capture_output=True, text=True, check=False)
    assert done.returncode != 0, text.splitlines()[-1]


BLOCK = "blocks:\n  DO_SAVE_MIN:\n    template: |\n      {{ cover }}\n      nop 0x111\n"


@pytest.mark.parametrize("line", ["WRAP(DO_SAVE_MIN(COVER, nop 0, , ))", "FOO DO_SAVE_MIN(COVER, nop 0, , )"])
def test_a_block_is_not_left_where_it_is_no_statement(line: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(f"name: mine\ndescription: d\nextends: native\n{BLOCK}")
    document = read_document(PARSER, f"#define WRAP(x) x\n\t{line}\t// DO_SAVE_MIN\n", "t.S", preprocessed=False)
    with pytest.raises(ExpandErrors, match="DO_SAVE_MIN would stay as it is here"):
        expand(document, CATALOG, load_instance(str(path)))


def test_what_the_sources_say_is_no_constant_of_an_instance(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\ndescription: d\nextends: xen\nconstants: {PSR_DEFAULT_BITS: 0x2}\n")
    with pytest.raises(PvasmError, match="PSR_DEFAULT_BITS is a constant of the catalog"):
        load_instance(str(path))


def test_a_label_in_a_template_is_a_number(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    for label, message in ((".Lagain", "a label with a name"), ("1", "")):
        lines = f"      {label}:\n      mov {{{{ reg }}}} = cr.ifa\n"
        path.write_text(f"name: mine\ndescription: d\nextends: native\nops:\n  MOV_FROM_IFA:\n    template: |\n{lines}")
        errors = pvasm("instance", "validate", path).errors
        assert message in errors
        assert bool(errors) is bool(message)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("tmpr = r9\n#define MOV_FROM_IFA(r) mov r = tmpr\n", "the assignment to tmpr is not followed"),
        ("\t.set x, 1\n#define MOV_FROM_IFA(r) mov r = x\n", ".set is not followed"),
        ("#define X 1\n#undef X\n#define MOV_FROM_IFA(r) mov r = X\n", "#undef X after its #define is not followed"),
        (
            "\t.macro f r\n\tmov \\r = \\@\n\t.endm\n#define MOV_FROM_IFA(r) f r\n",
            "is not followed: write a numeric label",
        ),
    ],
)
def test_what_an_import_does_not_follow_it_refuses(header: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "inst.h").write_text(header)
    done = pvasm("import", "inst.h", "--extends", "native", cwd=tmp_path)
    assert (done.status, done.output) == (2, "")
    assert message in done.errors


def test_an_import_keeps_what_an_expression_means(tmp_path: Path) -> None:
    (tmp_path / "inst.h").write_text("#define X 3 + 1\n#define MOV_FROM_IFA(r) adds r = 8 - X, r0 ;;\n")
    text = pvasm("import", "inst.h", "--extends", "native", cwd=tmp_path).output
    assert "8 - 3 + 1" in " ".join(text.split())
