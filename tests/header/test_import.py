"""Headers read back into instances: those that pvasm wrote, and those that people write."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from pvasm.errors import PvasmError
from pvasm.header.convert import ImportSettings, import_header
from pvasm.header.read import read_macros
from pvasm.header.write import instance_header
from pvasm.paravirt.expansion import Context
from pvasm.paravirt.instance import Instance
from pvasm.paravirt.loading import load_instance
from pvasm.paravirt.shipped import instance_names
from pvasm.syntax.document import Place
from pvasm.syntax.preprocess import Preprocessor
from tests.cli.command import pvasm
from tests.header.building import assembled, in_cases, preprocess
from tests.oracle import require_tool
from tests.paravirt.cases import CATALOG, OPS, all_cases

HERE = Path(__file__).parent
BY_HAND = HERE / "by_hand.h"


def imported(header: Path, folder: Path, **settings: str) -> Instance:
    """The instance that a header is read back into."""
    path = folder / "imported.yaml"
    path.write_text(import_header(ImportSettings(str(header), **settings), CATALOG).text)  # type: ignore[arg-type]
    return load_instance(str(path))


def statements(lines: Sequence[str]) -> list[str]:
    """Lines of assembly as statements, without the blanks that do not count."""
    pieces = re.split(r"(;;)|;|\n", "\n".join(lines))
    return [" ".join(piece.split()) for piece in pieces if piece and piece.strip()]


@pytest.mark.slow
@pytest.mark.parametrize("name", instance_names())
def test_there_and_back(name: str, tmp_path: Path) -> None:
    instance = load_instance(name)
    header = tmp_path / f"{name}.h"
    header.write_text(instance_header(instance))
    back = imported(header, tmp_path)
    assert (back.environment, back.defines, back.renames) == (instance.environment, instance.defines, instance.renames)
    for op in OPS:
        there, here = instance.definitions[op.name], back.definitions[op.name]
        assert {frozenset(pair) for group in there.apart for pair in _pairs(group)} == set(map(frozenset, here.apart))
        assert {key: value for key, value in there.not_among.items() if value} == here.not_among
        for case in list(all_cases(op, instance))[::3]:
            ours, theirs = instance.expand(op, case).lines, back.expand(op, case).lines
            assert statements(theirs) == statements(ours), (op.name, case)


def _pairs(group: Sequence[str]) -> list[tuple[str, str]]:
    return [(first, second) for index, first in enumerate(group) for second in group[index + 1 :]]


def test_a_constant_of_the_catalog_stays_one(tmp_path: Path) -> None:
    (tmp_path / "native.h").write_text(instance_header(load_instance("native")))
    back = imported(tmp_path / "native.h", tmp_path)
    op = CATALOG.ops["SSM_PSR_IC_AND_DEFAULT_BITS_AND_SRLZ_I"]
    expansion = back.expand(op, ["r2", "r3"], Context(constants={"PSR_DEFAULT_BITS": "psr.up"}))
    assert expansion.lines[0] == "ssm psr.ic | psr.up ;;"


def test_a_header_by_hand_is_what_the_tools_make_of_it(tmp_path: Path) -> None:
    """Each op of the header, in every case, by the C preprocessor and GNU as, and by the instance."""
    instance = imported(BY_HAND, tmp_path, extends="xen", name="by-hand")
    own = re.findall(r"^#define ([A-Z_0-9]+)", BY_HAND.read_text(), re.MULTILINE)
    tried = [(op, case) for op in OPS if op.name in own for case in all_cases(op, instance)]
    assert len({op.name for op, _ in tried}) == 8
    # `.ifc` knows registers by one name alone.
    tried = [(op, [{"ret2": "r10"}.get(word, word) for word in case]) for op, case in tried]
    source = [f"{op.name}({', '.join(case)})" if op.parentheses else op.name for op, case in tried]
    text = f'#include "{BY_HAND}"\n{in_cases(source)}'
    ours = assembled(in_cases(["\n\t".join(instance.expand(op, case).lines) for op, case in tried]), tmp_path, "ours")
    assert assembled(preprocess(text, tmp_path), tmp_path) == ours


def test_a_header_by_hand_reads_as_if_a_person_had_written_it(tmp_path: Path) -> None:
    text = import_header(ImportSettings(str(BY_HAND), name="by-hand", extends="xen"), CATALOG).text
    assert text.startswith("name: by-hand\ndescription: Imported from by_hand.h\nextends: xen\n")
    for piece in (
        "renames:\n  __paravirt_switch_to: guest_switch_to\n  paravirt_fsyscall_table: guest_fsyscall_table\n",
        "  PAGE_IFA: 0xfffffffffff048a0\n",
        "  CALLS: 0x40\n",
        "  MOV_FROM_IFA:\n    template: |\n"
        "      movl {{ reg }} = {{ PAGE_IFA }} ;;\n      ld8 {{ reg }} = [{{ reg }}]\n",
        "    apart: [[reg, clob]]\n    template: |\n      ;;\n"
        '      {% if reg == "r8" %}\n      ({{ pred }}) break {{ CALL_STATUS }}\n      {% elif clob == "r8" %}\n',
        "  RSM_PSR_DT:\n    template: break 1\n",
        "  RFI:\n    template: break {{ CALLS }} ;;\n",
        "blocks:\n  DO_SAVE_MIN:\n    template: |\n      mov r27 = ar.rsc ;;\n      {{ cover }}\n",
    ):
        assert piece in text, piece


@pytest.mark.slow
def test_what_is_right_in_a_header_the_checker_finds_right(tmp_path: Path) -> None:
    """All of it but what stays bare: a header cannot say why it may (M14)."""
    header, output = tmp_path / "trap.h", tmp_path / "back.yaml"
    assert pvasm("header", "-i", "trap", "-o", header).status == 0
    assert pvasm("import", header, "-o", output).errors == ""
    done = pvasm("check", output, "--no-cache", "--output-format", "gcc")
    bare = [line.partition("PV508")[0].rpartition("error: ")[2].partition(":")[0] for line in done.output.splitlines()]
    assert [name for name in bare if name] == ["MOV_FROM_ITC", "MOV_FROM_RUC"]
    output.write_text(output.read_text() + "bare:\n  MOV_FROM_ITC: psr.si is set\n  MOV_FROM_RUC: psr.si is set\n")
    done = pvasm("check", output, "--no-cache")
    assert (done.status, done.output) == (0, "nothing found in 1 file\n")


def test_the_command_says_what_the_header_lacks() -> None:
    done = pvasm("import", BY_HAND, "--extends", "xen", "--name", "by-hand")
    assert done.status == 0
    assert done.output.startswith("name: by-hand\n")
    assert "does not define MOV_FROM_ITIR, MOV_FROM_ISR" in done.errors
    assert done.errors.rstrip().endswith(": from xen")


def test_conditions_of_a_header_are_the_command_lines() -> None:
    settings = ImportSettings(str(BY_HAND), name="by-hand", extends="xen", definitions=("BIG_ENDIAN_GUEST", "CALLS=7"))
    text = import_header(settings, CATALOG).text
    assert "  RSM_PSR_DT:\n    template: nop 1\n" in text
    assert "  CALLS: 7\n" in text


WRONG = [
    ("#define RFI break NUMBER\n", ":1:12: NUMBER in `break NUMBER' has no value"),
    ("#define RFI leave_guest\n", "`leave_guest' is neither an instruction nor a macro of the header"),
    ("#define RFI RFI\n", "RFI is left as it is"),
    ("\n#define MOV_FROM_IFA(a, b) mov a = b\n", ":2:27: MOV_FROM_IFA takes 2 arguments, and is given 1"),
    ("#define MOV_FROM_IFA(r) mov r = = cr.ifa\n", "where"),
    ("#define MOV_FROM_IFA(r) MOV(r\n#define MOV(x) mov x = cr.ifa\n", "arguments of MOV are not closed"),
    (
        '#define MOV_FROM_IFA(r) m r\n.macro m r\n.ifc "x\\r", "xr8"\n.endif\n.endm\n',
        ":3:1: x is pasted to the parameter reg",
    ),
    ("#define MOV_FROM_IFA(r) m r\n.macro m r\n.if \\r + 1\n.endif\n.endm\n", "`.if reg \\+ 1': a comparison"),
    ("#define MOV_FROM_IFA(r) m r\n.macro m r\n.ifdef \\r\n.endif\n.endm\n", "`.ifdef reg': .* are understood"),
    ("#define MOV_FROM_IFA(r) m r\n.macro m r\n.if \\r == r8\n.endm\n", "no .endif"),
    ("#define MOV_FROM_IFA(r) m r\n.macro m r\nmov \\r = cr.ifa\n", ":2:1: the .macro m has no .endm"),
    ("#define MOV_FROM_IFA(r) m r\n.macro m r\nm \\r\n.endm\n", "without an end"),
    ('#define MOV_FROM_IFA(r) m r\n.macro m r\n.ifnc "\\r", "r8"\n.error "no"\n.endif\n.endm\n', "refuses arguments"),
    ("#define MOV_FROM_IFA(r) m r\n.macro m r\nx = 1\n.endm\n", "`x = 1' in an op"),
    ("#define MOV_FROM_IFA(r) (p6) m r\n.macro m r\nmov \\r = cr.ifa\n.endm\n", "a predicate before m"),
    ("#ifdef A\n#define RFI nop 1\n", "no #endif"),
    ("#if A == 1\n#define RFI nop 1\n#endif\n#ifndef A\n#define A\n#define RFI nop 2\n#endif\n", "in several ways"),
    ("#define MOV_TO_KR(kr, r, a, b) mov ar.k##kr = r\n", "pasted to the parameter kr"),
    ("#define F(x) F2(x)\n#define F2(x) F(x)\n#define RFI F(F(F(1)))\n", "neither|end"),
    ("int x;\n", "defines no op"),
]


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_what_cannot_be_understood_is_an_error_with_its_place(text: str, message: str, tmp_path: Path) -> None:
    header = tmp_path / "wrong.h"
    header.write_text(text)
    with pytest.raises(PvasmError) as caught:
        import_header(ImportSettings(str(header), extends="native"), CATALOG)
    assert re.search(message, str(caught.value)), str(caught.value)
    assert str(caught.value).startswith(str(header))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "give --extends INSTANCE, or --environment and --defines"),
        ({"extends": "xne"}, "unknown instance xne"),
        ({"extends": "xen", "name": "xen"}, "none of"),
        ({"extends": "xen", "definitions": ("1=2",)}, "NAME or NAME=VALUE"),
    ],
)
def test_wrong_settings(settings: dict[str, str], message: str) -> None:
    with pytest.raises(PvasmError, match=message):
        import_header(ImportSettings(str(BY_HAND), **settings), CATALOG)  # type: ignore[arg-type]


def test_output_files_are_left_alone_if_they_are_right_already(tmp_path: Path) -> None:
    header = tmp_path / "xen.h"
    assert pvasm("header", "--instance", "xen", "-o", header).status == 0
    before = header.stat()
    assert pvasm("header", "--instance", "xen", "-o", header).status == 0
    after = header.stat()
    assert (before.st_mtime_ns, before.st_ino) == (after.st_mtime_ns, after.st_ino)
    done = pvasm("header", "-i", "xen")
    assert done.output == header.read_text()
    assert str(tmp_path) not in done.output
    assert pvasm("header", "-o", tmp_path / "none" / "x.h").status == 2


PREPROCESSED = """
#define A(x) B(x) + x
#define B(x) [x]
#define PASTE(a, b) a##b
#define LATE(a, b) PASTE(a, b)
#define STRING(x) #x
#define LATER(...) STRING(__VA_ARGS__)
#define NAME A
#define EMPTY
#define SELF SELF + 1
#define OUTER(x) x(2)
"""


@pytest.mark.parametrize(
    "text",
    [
        "A(1)",
        "A (A(2))",
        "A",
        "NAME(3)",
        "PASTE(r, 8)",
        "PASTE(A, )",
        "LATE(NA, ME)(4)",
        "LATER(A(1), EMPTY, r2)",
        "STRING(A(1))",
        "SELF",
        "OUTER(A)",
        "OUTER(PASTE)",
        '"A(1)" EMPTY A(\\x)',
        "ld8.acq A([r1], 8)",
    ],
)
def test_macros_expand_as_the_preprocessor_expands_them(text: str, tmp_path: Path) -> None:
    header = tmp_path / "macros.h"
    header.write_text(PREPROCESSED)
    command = [require_tool("gcc"), "-E", "-P", "-xassembler-with-cpp", "-"]
    done = subprocess.run(command, input=f"{PREPROCESSED}{text}\n", capture_output=True, text=True, check=False)
    expander = Preprocessor(read_macros(str(header)).cpp, lambda name: None)
    try:
        ours = expander.expand(text, Place("here", 1, 1))
    except PvasmError:
        assert done.returncode != 0
    else:
        assert done.returncode == 0
        assert re.sub(r"\s", "", ours) == re.sub(r"\s", "", done.stdout)


def test_an_environment_that_there_is(tmp_path: Path) -> None:
    (tmp_path / "x.h").write_text("#define COVER cover ;;\n")
    done = pvasm("import", "x.h", "--environment", "zen", "--defines", "X", "--name", "x", cwd=tmp_path)
    assert (done.status, done.output) == (2, "")
    assert "zen is no environment (did you mean xen?): hardware, xen, trap" in done.errors
