"""Headers with an instance's macros, by what GNU as makes of them and of pvasm's own expansions."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pvasm.asm.reading import assembly_parser
from pvasm.errors import PvasmError
from pvasm.expand import expand
from pvasm.header.write import instance_header, undefining_header
from pvasm.paravirt.arguments import RegisterNotKnownError
from pvasm.paravirt.catalog import Op
from pvasm.paravirt.expansion import Context
from pvasm.paravirt.instance import Instance
from pvasm.paravirt.loading import load_instance
from pvasm.paravirt.shipped import instance_names
from pvasm.syntax.document import read_document
from tests.header.building import FRAME, NAMES, assembled, disassembled, in_cases, preprocess, refused_lines
from tests.oracle import require_tool
from tests.paravirt.cases import CATALOG, OPS, all_cases

# Other names for what stands in the cases: aliases, the registers of the frame, names that the source gives.
OTHER_NAMES = (
    {"r8": "ret0", "r9": "ret1", "in0": "r32"},
    {"r14": "loc1", "r2": "sp"},
    {"r14": "out0", "r9": "in2"},
    {"r8": "eight", "p6": "six"},
    {"r9": "nine", "r2": "two"},
)
MOST_RENAMED = 20  # cases of an op with each of these
AT_ONCE = 1500  # cases, which GNU as reads together: with many more of them, it takes longer for each


def cases(op: Op, instance: Instance) -> Iterator[list[str]]:
    """All cases of an op, and some of them again with other names."""
    plain = list(all_cases(op, instance))
    yield from plain
    for other in OTHER_NAMES:
        renamed = [[other.get(word, word) for word in case] for case in plain if not other.keys().isdisjoint(case)]
        step = len(renamed) // MOST_RENAMED + 1
        yield from (case for case in renamed[::step] if is_allowed(op, instance, case))


def is_allowed(op: Op, instance: Instance, case: list[str]) -> bool:
    """Whether pvasm expands an op with these arguments."""
    try:
        if list(instance.conflicts(op, case, Context(NAMES))):
            return False
        instance.expand(op, case, Context(NAMES))
    except RegisterNotKnownError:
        return False
    return True


def written(op: Op, case: list[str]) -> str:
    """An op as it stands in the source."""
    return f"{op.name}({', '.join(case)})" if op.parentheses else op.name


def include(instance: str, folder: Path) -> str:
    """The line that includes an instance's header, which is written into a folder."""
    (folder / f"{instance}.h").write_text(instance_header(load_instance(instance)))
    return f'#include "{instance}.h"\n'


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if name in ("native-poison", "hvm", "xen", "trap") else ())
        for name in instance_names()
    ],
)
def test_header_and_expander_make_the_same_bytes(name: str, tmp_path: Path) -> None:
    instance = load_instance(name)
    tried = {op: list(cases(op, instance)) for op in OPS}
    assert all(tried.values())

    def both(ops: list[Op]) -> tuple[bytes, bytes]:
        expanded = ["\n\t".join(instance.expand(op, case, Context(NAMES)).lines) for op in ops for case in tried[op]]
        source = include(name, tmp_path) + in_cases([written(op, case) for op in ops for case in tried[op]])
        return assembled(preprocess(source, tmp_path), tmp_path), assembled(in_cases(expanded), tmp_path, "expanded")

    left = list(OPS)
    while left:
        ops = [left.pop()]
        while left and sum(len(tried[op]) for op in (*ops, left[-1])) <= AT_ONCE:
            ops.append(left.pop())
        ours, theirs = both(ops)
        if ours != theirs:
            assert [op.name for op in ops if len(set(both([op]))) > 1] == []
        assert len(ours) >= 16 * sum(len(tried[op]) for op in ops)


@pytest.mark.parametrize("name", instance_names())
def test_what_the_expander_refuses_the_header_refuses(name: str, tmp_path: Path) -> None:
    instance = load_instance(name)
    wrong = []
    for op in OPS:
        taken = {tuple(case) for case in all_cases(op, instance)}
        free = Instance.conflicts
        every = [list(case) for case in all_cases(op, load_instance("native"))]
        refused = [case for case in every if tuple(case) not in taken and list(free(instance, op, case))]
        wrong += [written(op, case) for case in refused[:: len(refused) // 12 + 1]]
    lines = (include(name, tmp_path) + FRAME).splitlines()
    source = "\n".join([*lines, *wrong, ""])
    found = refused_lines(preprocess(source, tmp_path), tmp_path)
    missed = [line for number, line in enumerate(source.splitlines(), 1) if line in wrong and number not in found]
    assert missed == []
    assert all("must" in message for message in found.values())


NO_REGISTERS = ("b0", "f8", "8", "later", "p6", "cr.ifa", "psr")


def test_what_is_no_register_is_refused(tmp_path: Path) -> None:
    wrong = [f"MOV_FROM_IVR({word}, r9)" for word in NO_REGISTERS]
    wrong += [f"THASH(p6, r8, {word}, r10)" for word in NO_REGISTERS]
    wrong += ["MOV_FROM_IVR(, r9)", "MOV_FROM_IVR(r9, )", "MOV_TO_KR(NOBODY, r3, r8, r9)", "MOV_FROM_IVR(r8 r9, r10)"]
    source = include("xen", tmp_path) + FRAME + "\n".join([*wrong, "later = r8", ""])
    found = refused_lines(preprocess(source, tmp_path), tmp_path)
    lines = source.splitlines()
    assert [line for number, line in enumerate(lines, 1) if line in wrong and number not in found] == []
    assert "MOV_FROM_IVR, parameter reg: b0 is no general register" in found[lines.index("MOV_FROM_IVR(b0, r9)") + 1]


@pytest.mark.parametrize("name", instance_names())
def test_a_predicate_before_an_op_of_several_instructions_is_refused(name: str, tmp_path: Path) -> None:
    instance = load_instance(name)
    wrong = []
    for op in OPS:
        case = next(all_cases(op, instance))
        if len(instance.expand(op, case).lines) > 1:
            wrong.append(f"(p6) {written(op, case)}")
    source = include(name, tmp_path) + FRAME + "\n".join([*wrong, ""])
    found = refused_lines(preprocess(source, tmp_path), tmp_path)
    lines = source.splitlines()
    assert [line for number, line in enumerate(lines, 1) if line in wrong and number not in found] == []


# ------------------------------------------------------------------------- constants of the catalog

BITS = "SSM_PSR_IC_AND_DEFAULT_BITS_AND_SRLZ_I(r2, r3)"


@pytest.mark.parametrize("name", instance_names())
@pytest.mark.parametrize("value", ["psr.ac | psr.up", "(psr.ac | psr.up)", "0x8"])
def test_the_source_may_define_a_constant_before_or_after_or_never(name: str, value: str, tmp_path: Path) -> None:
    instance, op = load_instance(name), CATALOG.ops[BITS.partition("(")[0]]
    define, header = f"#define PSR_DEFAULT_BITS {value}\n", include(name, tmp_path)
    for before, after, constants in (
        (define, "", {"PSR_DEFAULT_BITS": value}),
        ("", define, {"PSR_DEFAULT_BITS": value}),
        ("", "", {}),
    ):
        ours = assembled(preprocess(f"{before}{header}{after}{in_cases([BITS])}", tmp_path), tmp_path)
        lines = instance.expand(op, ["r2", "r3"], Context(constants=constants)).lines
        assert ours == assembled(in_cases(["\n\t".join(lines)]), tmp_path, "expanded")


# --------------------------------------------------------------------------------- where ops may stand

PLACES = """
#define INNER(a, b, c)	mov r30 = r31 ;; a ;; b ; c
#define MIDDLE(x, y, z)	INNER(x, y, z)
#define OUTER(x, y, z)	MIDDLE(x, y, z)
#define WHERE		r20
#define USE(r)		MOV_FROM_IFA(r) ;; THASH(p0, r, r21, r22)
	OUTER(COVER, THASH(p6, r8, r9, r10), mov r3 = r4)
	OUTER(SSM_PSR_I(p6, p7, r20), MOV_TO_KR(CURRENT, r13, r21, r3), RSM_PSR_I_IC(r20, r21, r22))
	USE(WHERE) ;; BSW_1(r2,
		r3)
1:	MOV_FROM_IVR(WHERE, r9) ; mov r1 = r2 ;; MOV_FROM_IFA(r3)
	.macro both first, second
	THASH(p0, \\first, \\second, r22)
	MOV_FROM_ITIR(\\first)
	.endm
	both r8, r9
	both r20, ret0
	RFI
"""


@pytest.mark.parametrize("name", instance_names())
def test_ops_may_stand_in_macros(name: str, tmp_path: Path) -> None:
    """The same source, preprocessed with the header that leaves ops alone, and then expanded."""
    (tmp_path / "none.h").write_text(undefining_header(CATALOG, ()))
    text = preprocess(f'#include "none.h"\n{FRAME}{PLACES}', tmp_path)
    # An op in a .macro whose argument matters must be expanded by hand.
    lines = text.splitlines(keepends=True)
    start, end = (index for index, line in enumerate(lines) if line.strip() in ("both r8, r9", "both r20, ret0"))
    ops = [("r8", "r9"), ("r20", "ret0")]
    lines[start : end + 1] = [f"THASH(p0, {a}, {b}, r22)\nMOV_FROM_ITIR({a})\n" for a, b in ops]
    first = next(index for index, line in enumerate(lines) if ".macro" in line)
    last = next(index for index, line in enumerate(lines) if ".endm" in line)
    del lines[first : last + 1]
    document = read_document(assembly_parser(), "".join(lines), preprocessed=True)
    theirs = assembled(expand(document, CATALOG, load_instance(name)), tmp_path, "expanded")
    assert assembled(preprocess(include(name, tmp_path) + FRAME + PLACES, tmp_path), tmp_path) == theirs


SAMPLES = Path(__file__).parents[2] / "sample_S"


@pytest.mark.parametrize("name", ["native", "xen", "trap"])
@pytest.mark.parametrize("sample", ["exit.S", "fsys.S", "ivt.S", "switch_to.S"])
def test_whole_files_are_the_same_by_both_routes(sample: str, name: str, tmp_path: Path) -> None:
    instance = load_instance(name)
    options = [f"-I{SAMPLES}/include", f"-D{instance.defines}"]
    (tmp_path / "none.h").write_text(undefining_header(CATALOG, instance.renames))
    # After the sample's own header: what that defines does not hold then.
    before, last, after = (SAMPLES / sample).read_text().rpartition('#include "sample.h"\n')
    assert last
    ours = preprocess(f"{before}{last}{include(name, tmp_path)}{after}", tmp_path, *options)
    text = preprocess(f'{before}{last}#include "none.h"\n{after}', tmp_path, *options)
    document = read_document(assembly_parser(), text, preprocessed=True)
    theirs = expand(document, CATALOG, instance)
    assert disassembled(ours, tmp_path) == disassembled(theirs, tmp_path)


# ------------------------------------------------------------------------------------- the header itself


@pytest.mark.parametrize("name", instance_names())
def test_renames(name: str, tmp_path: Path) -> None:
    renames = load_instance(name).renames
    source = include(name, tmp_path) + "".join(f"\tdata8 {old}\n" for old in renames)
    lines = [line.split() for line in preprocess(source, tmp_path).splitlines() if "data8" in line]
    assert lines == [["data8", new] for new in renames.values()]


def test_c_code_may_include_it_and_so_may_a_source_twice(tmp_path: Path) -> None:
    line = include("xen", tmp_path)
    (tmp_path / "t.c").write_text(f"{line}int RFI, MOV_FROM_IFA;\n")
    gcc = require_tool("gcc")
    subprocess.run([gcc, "-fsyntax-only", "-Wall", "-Werror", str(tmp_path / "t.c")], check=True)
    once = assembled(preprocess(f"{line}{FRAME}RFI\n", tmp_path), tmp_path)
    assert assembled(preprocess(f"{line}{line}{FRAME}RFI\n", tmp_path), tmp_path) == once


def test_plain_cpp_will_do_where_assembly_is_said(tmp_path: Path) -> None:
    source = f"{include('xen', tmp_path)}{FRAME}MOV_FROM_IVR(r8, r9)\n"
    (tmp_path / "plain.txt").write_text(source)
    command = [require_tool("gcc"), "-E", "-xc", "-D__ASSEMBLY__", "-P", str(tmp_path / "plain.txt")]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert assembled(text, tmp_path, "plain") == assembled(preprocess(source, tmp_path), tmp_path)


def test_the_headers_of_two_instances_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "t.S").write_text(include("xen", tmp_path) + include("native", tmp_path))
    command = [require_tool("gcc"), "-E", str(tmp_path / "t.S")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "the headers of two instances" in done.stderr


def test_without_an_instance_the_names_pass(tmp_path: Path) -> None:
    renames = load_instance("xen").renames
    names = [*CATALOG.ops, *CATALOG.blocks, *renames]
    (tmp_path / "other.h").write_text("".join(f"#define {name} other\n" for name in names))
    (tmp_path / "none.h").write_text(undefining_header(CATALOG, renames))
    source = '#include "other.h"\n#include "none.h"\n' + "".join(f"{name}\n" for name in names)
    blocks = CATALOG.blocks.values()
    kept = [f"-D{block.kept}" for block in blocks]
    assert [line for line in preprocess(source, tmp_path, "-P", *kept).splitlines() if line] == names
    otherwise = {block.name: block.otherwise for block in blocks}
    passed = [line for line in preprocess(source, tmp_path, "-P").splitlines() if line]
    assert passed == [otherwise.get(name, name) for name in names]


INSTANCE = """name: mine
description: For these tests.
extends: native
ops:
  MOV_FROM_IVR:
    template: |
"""


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{% for n in range(2) %}mov {{ reg }} = {{ clob }}{% if reg == 'x' %}{% endif %}\n{% endfor %}", "cannot do"),
        ("{% if reg %}mov {{ reg }} = cr.ivr{{ nothing }}{% endif %}", "nothing is undefined"),
        (".if 1", "steer"),
    ],
)
def test_what_a_header_cannot_do_is_an_error_with_its_place(template: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(f"{INSTANCE}      {template.replace(chr(10), chr(10) + '      ')}\n")
    with pytest.raises(PvasmError, match=message) as caught:
        instance_header(load_instance(str(path)))
    assert caught.value.path == str(path)
    assert caught.value.line is not None


def test_templates_may_ask_what_they_like_and_numbers_may_run_on(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "name: mine\ndescription: For these tests.\nextends: native\nops:\n"
        "  MOV_FROM_IVR:\n    template: |\n"
        "      {% if reg == clob %}\n      nop 1\n"
        "      {% elif reg in ('r8', 'ret1') and clob != 'r10' %}\n      nop 2\n"
        "      {% elif clob == 'r10' or reg == 'r11' %}\n      nop 3\n      {% endif %}\n      mov {{ reg }} = cr.ivr\n"
        "  MOV_TO_KR:\n    template: mov ar.k{{ kr.number }} = {{ reg }}\n"
        "  RFI:\n    template: ''\n"
    )
    instance = load_instance(str(path))
    (tmp_path / "mine.h").write_text(instance_header(instance))
    tried = [(op, case) for op in OPS if op.name in ("MOV_FROM_IVR", "MOV_TO_KR") for case in cases(op, instance)]
    tried += [(CATALOG.ops["MOV_FROM_IVR"], [a, b]) for a in ("r8", "r9", "r10", "r11") for b in ("r10", "r11")]
    source = '#include "mine.h"\n' + in_cases([*(written(op, case) for op, case in tried), "RFI"])
    expanded = in_cases([*("\n\t".join(instance.expand(op, case, Context(NAMES)).lines) for op, case in tried), ""])
    assert assembled(preprocess(source, tmp_path), tmp_path) == assembled(expanded, tmp_path, "expanded")


def test_blocks(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    start = "name: mine\ndescription: For these tests.\nextends: xen\nblocks:\n  DO_SAVE_MIN:\n    template: |\n"
    path.write_text(
        f"{start}      mov r1 = r2 ;;\n      {{{{ cover }}}} ;;\n      {{{{ extra }}}}\n      MOV_FROM_IFA(r20)\n"
    )
    (tmp_path / "mine.h").write_text(instance_header(load_instance(str(path))))
    use = "DO_SAVE_MIN(COVER, mov r30=r31, , nop 5)"
    plain = "mov r1 = r2 ;; break 4 ;; ;; mov r20 = 0xfffffffffff048a0 ;; ld8 r20 = [r20]"
    ours = assembled(preprocess(f'#include "mine.h"\n{in_cases([use])}', tmp_path), tmp_path)
    assert ours == assembled(in_cases([plain]), tmp_path, "expanded")
    path.write_text(f"{start}      {{% if extra %}}nop 1{{% endif %}}\n")
    with pytest.raises(PvasmError, match="may be printed"):
        instance_header(load_instance(str(path)))


@pytest.mark.parametrize("renames", ["{a.b: c}", "{a: b, b: c}"])
def test_renames_that_the_preprocessor_cannot_do(renames: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(f"name: mine\ndescription: For these tests.\nextends: native\nrenames: {renames}\n")
    with pytest.raises(PvasmError, match=r"in a header|a header can"):
        instance_header(load_instance(str(path)))
