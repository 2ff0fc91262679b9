"""`pvasm tables`: what it writes and refuses, and which symbols it misses in objects (GNU as and ar make these)."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from pvasm.check.instance_files import check_instance_file
from pvasm.check.rule import all_instance_rules
from pvasm.errors import PvasmError
from pvasm.paravirt.loading import load_catalog, load_instance
from pvasm.tables.filled_tables import fill
from tests.cli.command import pvasm
from tests.oracle import require_tool
from tests.tables.host import compile_c
from tests.tables.linux_tables import MAY_BE_NULL, TABLES

HEAD = "name: mine\ndescription: A test\nextends: xen\n"
SYMBOLS = sorted({slot.symbol for slot in fill(load_instance("xen")).slots if slot.symbol is not None})


def test_it_writes_to_standard_output_and_to_files(tmp_path: Path) -> None:
    printed = pvasm("tables", "-i", "xen", cwd=tmp_path)
    assert (printed.status, printed.errors) == (0, "")
    assert pvasm("tables", "-i", "xen", "-o", "-", cwd=tmp_path) == printed
    done = pvasm("tables", "--instance", "xen", "-o", "xen.c", cwd=tmp_path)
    assert (done.status, done.output, done.errors) == (0, "", "")
    assert (tmp_path / "xen.c").read_text() == printed.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["xen.c"]


def test_the_source_includes_the_header_from_where_it_stands(tmp_path: Path) -> None:
    for folder in ("src", "include"):
        (tmp_path / folder).mkdir()
    assert pvasm("tables", "-i", "xen", "-o", "src/x.c", "--header", "include/x.h", cwd=tmp_path).status == 0
    assert '#include "../include/x.h"\n' in (tmp_path / "src/x.c").read_text()
    compile_c(tmp_path, "src/x.c")
    done = pvasm("tables", "-i", "xen", "--header", "include/x.h", cwd=tmp_path)
    assert '#include "include/x.h"\n' in done.output


def test_a_header_whose_name_is_not_utf8(tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff.h")
    assert pvasm("tables", "-i", "xen", "-o", "x.c", "--header", name, cwd=tmp_path).status == 0
    assert b'#include "\xff.h"\n' in (tmp_path / "x.c").read_bytes()
    compile_c(tmp_path, "x.c")


def test_headers_of_the_kernel_stand_in_place_of_ones_own() -> None:
    done = pvasm("tables", "-i", "xen", "--include", "asm/paravirt_privop.h", "--include", "asm/paravirt.h")
    assert "#include <asm/paravirt_privop.h>\n#include <asm/paravirt.h>\n" in done.output
    assert "struct pv_info {" not in done.output
    assert "\nvoid xen_banner(void);\n" in done.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("-i mine.yaml -o mine.yaml", "mine.yaml: the source would overwrite what it is made of: name another file"),
        (
            "-i mine.yaml -o ./mine.yaml",
            "./mine.yaml: the source would overwrite what it is made of: name another file",
        ),
        (
            "-i mine.yaml -o x.c --header mine.yaml",
            "mine.yaml: the header would overwrite what it is made of: name another file",
        ),
        ("-i xen -o x.o --check-symbols x.o", "x.o: the source would overwrite what it is made of: name another file"),
        (
            "-i xen -o x.c --header x.o --check-symbols x.o",
            "x.o: the header would overwrite what it is made of: name another file",
        ),
        ("-i xen -o x.c --header ./x.c", "./x.c: the header and the source would be the same file"),
        ("-i xen -o x.c --header -", "--header: give a file's name, since the source includes it"),
        ('-i xen -o x.c --header x".h', 'x".h: a C source cannot include a name with ", \\ or a new line in it'),
        ("", "for which instance is not said: --instance NAME (pvasm instance list)"),
        ("--functions", "for which instance is not said: --instance NAME (pvasm instance list)"),
        ("-i xen --direct", "--direct is for --call-sites"),
        ("-i xen --records linux --functions", "--records is for --call-sites"),
        ("-i xen --call-sites", "--instance is not for --call-sites"),
        ("--functions --call-sites", "--functions is not for --call-sites"),
        ("-i xen --functions --initial", "--initial is not for --functions"),
        (
            "--call-sites xen,native",
            "the first instance must be native, which what is patched can be turned back to",
        ),
        (
            "--call-sites native,xenn",
            "unknown instance xenn (did you mean xen?); known are hvm, native, native-poison, trap, xen",
        ),
        (
            "--call-sites native,./mine.yaml -o mine.yaml",
            "mine.yaml: the source would overwrite what it is made of: name another file",
        ),
        (
            "-i ./mine.yaml --functions -o mine.yaml",
            "mine.yaml: the source would overwrite what it is made of: name another file",
        ),
        ("-i xenn", "unknown instance xenn (did you mean xen?); known are hvm, native, native-poison, trap, xen"),
        ("-i xen -o gone/x.c", "gone/x.c: cannot be written: the folder does not exist"),
        ("-i xen -o x.c --check-symbols gone.o", "gone.o: no such file or folder"),
        ("-i xen -o x.c --check-symbols mine.yaml", "mine.yaml: no ELF file"),
    ],
)
def test_what_is_refused(arguments: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(HEAD)
    (tmp_path / "x.o").write_text("an object")
    done = pvasm("tables", *arguments.split(), cwd=tmp_path)
    assert (done.status, done.output, done.error_lines) == (2, "", [f"pvasm: error: {message}"])
    assert (tmp_path / "mine.yaml").read_text() == HEAD
    assert (tmp_path / "x.o").read_text() == "an object"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.yaml", "x.o"]


def test_two_accounts_of_the_structs_are_refused() -> None:
    done = pvasm("tables", "-i", "xen", "--header", "x.h", "--include", "asm/paravirt.h")
    assert done.status == 2
    assert "not allowed with argument" in done.errors


# ------------------------------------------------------------------------------------ values

WRONG = {
    "pv_info: {name: 5}": "pv_info.name must be a text, and is 5",
    "pv_info: {kernel_rpl: two}": "pv_info.kernel_rpl must be a number, and is 'two'",
    "pv_info: {kernel_rpl: -1}": "pv_info.kernel_rpl must be from 0 to 4294967295, and is -1",
    "pv_info: {kernel_rpl: 4294967296}": "pv_info.kernel_rpl must be from 0 to 4294967295, and is 4294967296",
    "pv_info: {paravirt_enabled: 2147483648}": "pv_info.paravirt_enabled must be from -2147483648 to 2147483647, and "
    "is 2147483648",
    "pv_irq_ops: {resend_irq: 0}": "pv_irq_ops.resend_irq must be the name of a C function, and is 0",
    "pv_irq_ops: {resend_irq: a-b}": "pv_irq_ops.resend_irq must be the name of a C function, and is 'a-b'",
    "pv_irq_ops: {resend_irq: int}": "pv_irq_ops.resend_irq must be the name of a C function, and is 'int'",
    "pv_irq_ops: {resend_irq: 'x; int y'}": "pv_irq_ops.resend_irq must be the name of a C function, and is 'x; int y'",
    'pv_irq_ops: {resend_irq: "x\\n"}': "pv_irq_ops.resend_irq must be the name of a C function, and is 'x\\n'",
    "pv_irq_ops: {resend_irq: ''}": "pv_irq_ops.resend_irq must be the name of a C function, and is ''",
    "pv_irq_ops: {resend_irq: ß}": "pv_irq_ops.resend_irq must be the name of a C function, and is 'ß'",
    "pv_fsys_data: {fsyscall_table: 4096}": "pv_fsys_data.fsyscall_table must be the name of a C symbol, and is 4096",
    "pv_cpu_asm_switch: {switch_to: a b}": "pv_cpu_asm_switch.switch_to must be a number, or the name of a C symbol, "
    "and is 'a b'",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_value_that_c_cannot_take(text: str, tmp_path: Path) -> None:
    """PV506 says so at the member; the command refuses to write it."""
    path = tmp_path / "mine.yaml"
    path.write_text(f"{HEAD}tables:\n  {text}\n")
    found, errors = check_instance_file(str(path), list(all_instance_rules().values()))
    assert (errors, [(each.code, each.line, each.message) for each in found]) == ([], [("PV506", 5, WRONG[text])])
    done = pvasm("tables", "-i", path)
    assert (done.status, done.output) == (2, "")
    column = 5 + text.index(": ", text.index("{"))
    assert done.error_lines == [f"pvasm: error: {path}:5:{column}: tables.{WRONG[text]}"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("pv_info: {kernel_rpl: 0xffffffff}", ".kernel_rpl = 4294967295U,"),
        ("pv_info: {kernel_rpl: 0}", ".kernel_rpl = 0,"),
        ("pv_info: {paravirt_enabled: -2147483648}", ".paravirt_enabled = -2147483648,"),
        ("pv_info: {name: ''}", '.name = "",'),
        ("pv_cpu_asm_switch: {switch_to: 0xa000000100000000}", f".switch_to = {0xA000_0001_0000_0000}UL,"),
    ],
)
def test_values_at_the_edge(text: str, line: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(f"{HEAD}tables:\n  {text}\n")
    assert check_instance_file(str(path), list(all_instance_rules().values())) == ([], [])
    assert pvasm("tables", "-i", path, "-o", tmp_path / "a.c").status == 0
    assert f"\t{line}\n" in (tmp_path / "a.c").read_text()
    compile_c(tmp_path, "a.c")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "pv_init_ops: {banner: nothing}\n  pv_time_ops: {init_missing_ticks_accounting: nothing}",
            "pv_time_ops.init_missing_ticks_accounting: nothing is pv_init_ops.banner already, which is of another "
            "type (void (void))",
        ),
        (
            "pv_fsys_data: {fsyscall_table: here, fsys_bubble_down: here}",
            "pv_fsys_data.fsys_bubble_down: here is pv_fsys_data.fsyscall_table already, which is of another "
            "type (unsigned long *)",
        ),
        (
            "pv_irq_ops: {assign_irq_vector: assign_irq_vector}",
            "pv_irq_ops.assign_irq_vector: assign_irq_vector is the name of what calls pv_irq_ops.assign_irq_vector",
        ),
        ("pv_init_ops: {banner: pv_info}", "pv_init_ops.banner: pv_info is the name of a table"),
        ("pv_init_ops: {banner: mine_pv_info}", "pv_init_ops.banner: mine_pv_info is the name of mine's pv_info"),
        (
            "pv_init_ops: {banner: mine_setup_pv_ops}",
            "pv_init_ops.banner: mine_setup_pv_ops is the name of what installs the tables",
        ),
    ],
)
def test_a_symbol_that_stands_for_two_things(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(f"{HEAD}tables:\n  {text}\n")
    done = pvasm("tables", "-i", path)
    (place, *others) = (line.split(f": tables.{message}") for line in done.error_lines)
    assert (done.status, done.output, others, place[1:]) == (2, "", [], [""])
    found, _ = check_instance_file(str(path), list(all_instance_rules().values()))
    told = [(f"pvasm: error: {path}:{each.line}:{each.column}", each.code, each.message) for each in found]
    assert told == [(place[0], "PV506", message)]
    assert (found[0].line, found[0].column) > (5, 10)


def test_one_function_may_serve_two_members_of_a_type(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(f"{HEAD}tables: {{pv_cpu_ops: {{ssm_i: toggle, rsm_i: toggle}}}}\n")
    assert pvasm("tables", "-i", "mine.yaml", "-o", "a.c", cwd=tmp_path).status == 0
    assert (tmp_path / "a.c").read_text().count("void toggle(void);") == 1
    compile_c(tmp_path, "a.c")


def test_each_member_that_must_be_set(tmp_path: Path) -> None:
    """Every member null, one at a time: refused, and PV506, unless Linux looks at it before it calls it."""
    path = tmp_path / "mine.yaml"
    rules = list(all_instance_rules().values())
    catalog = load_catalog()
    for table, members in TABLES.items():
        for name in members:
            path.write_text(f"{HEAD}tables: {{{table}: {{{name}: null}}}}\n")
            found, errors = check_instance_file(str(path), rules)
            assert not errors
            if f"{table}.{name}" in MAY_BE_NULL:
                assert not found
                assert fill(load_instance(str(path), catalog))
            else:
                assert [each.message for each in found] == [
                    f"{table}.{name} must not be null: give it what the kernel uses without looking"
                ]
                with pytest.raises(PvasmError, match=rf"tables\.{table} does not set {name}, which may not be null"):
                    fill(load_instance(str(path), catalog))


def test_an_instance_without_tables_has_no_source(tmp_path: Path) -> None:
    text = "name: mine\ndescription: A test\nenvironment: hardware\ndefines: MINE\notherwise: replaces\n"
    (tmp_path / "mine.yaml").write_text(text)
    done = pvasm("tables", "-i", "mine.yaml", "-o", "a.c", cwd=tmp_path)
    message = "tables.pv_info does not set kernel_rpl, paravirt_enabled, name, which may not be null"
    assert (done.status, done.error_lines) == (2, [f"pvasm: error: mine.yaml: {message}"])
    assert not (tmp_path / "a.c").exists()


def test_a_stranger_is_named_with_what_is_near(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(f"{HEAD}tables: {{pv_time_ops: {{sched_clok: x}}}}\n")
    for command in (("tables", "-i"), ("check",), ("instance", "validate")):
        done = pvasm(*command, "mine.yaml", cwd=tmp_path)
        assert done.status == 2
        assert "4:24: tables.pv_time_ops.sched_clok: pv_time_ops has no such member (did you mean sched_clock?)" in (
            done.errors
        )


# ------------------------------------------------------------------------------------ symbols


def assembled(folder: Path, name: str, text: str) -> None:
    command = [require_tool("ia64-linux-gnu-as"), "-x", "-o", name, "-"]
    subprocess.run(command, cwd=folder, input=text, text=True, check=True)


def defining(symbols: Iterable[str], directive: str = ".global") -> str:
    return "".join(f"\t{directive} {symbol}\n{symbol}:\n\tnop 0\n" for symbol in symbols)


def test_symbols_that_the_objects_define(tmp_path: Path) -> None:
    half = len(SYMBOLS) // 2
    assembled(tmp_path, "a.o", defining(SYMBOLS[:half]))
    assembled(tmp_path, "b.o", defining(SYMBOLS[half:-2]) + f"\t.comm {SYMBOLS[-2]}, 8\n")
    assembled(tmp_path, "c.o", f"\t.weak {SYMBOLS[-1]}\n{SYMBOLS[-1]}:\n\tnop 0\n")
    subprocess.run([require_tool("ia64-linux-gnu-ar"), "rcs", "k.a", "b.o", "c.o"], cwd=tmp_path, check=True)
    printed = pvasm("tables", "-i", "xen").output
    for objects in (("a.o", "b.o", "c.o"), ("a.o", "k.a"), ("k.a", "a.o")):
        done = pvasm("tables", "-i", "xen", "--check-symbols", *objects, cwd=tmp_path)
        assert (done.status, done.output, done.errors) == (0, printed, "")


def test_symbols_that_they_do_not_define(tmp_path: Path) -> None:
    """One that is nowhere, one that is used and not defined, one that is static."""
    missing = {"xen_banner", "xen_thash", "xen_switch_to"}
    text = defining(set(SYMBOLS) - missing) + "xen_switch_to:\n\tnop 0\n\t.data\n\tdata8 xen_thash#\n"
    assembled(tmp_path, "a.o", text)
    due = [
        "pv_init_ops.banner: xen_banner is not defined in {}",
        "pv_cpu_ops.thash: xen_thash is not defined in {}",
        "pv_cpu_asm_switch.switch_to: xen_switch_to is local (static) in {}",
    ]
    done = pvasm("tables", "-i", "xen", "-o", "x.c", "--header", "x.h", "--check-symbols", "a.o", cwd=tmp_path)
    assert (done.status, done.output.splitlines(), done.errors) == (1, [line.format("a.o") for line in due], "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.o"]
    done = pvasm("tables", "-i", "xen", "--check-symbols", "a.o", "a.o", cwd=tmp_path)
    assert (done.status, done.output.splitlines()) == (1, [line.format("any of the 2 files") for line in due])


def test_members_of_one_name_count_all(tmp_path: Path) -> None:
    """Kernels have several setup.o: ar takes them with `q', from several folders."""
    half = len(SYMBOLS) // 2
    for folder, symbols in (("kernel", SYMBOLS[:half]), ("xen", SYMBOLS[half:])):
        (tmp_path / folder).mkdir()
        assembled(tmp_path, f"{folder}/setup.o", defining(symbols))
        command = [require_tool("ia64-linux-gnu-ar"), "q", "k.a", f"{folder}/setup.o"]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert pvasm("tables", "-i", "xen", "--check-symbols", "k.a", cwd=tmp_path).status == 0


def test_a_thin_archive_has_no_objects(tmp_path: Path) -> None:
    assembled(tmp_path, "a.o", defining(SYMBOLS))
    command = [require_tool("ia64-linux-gnu-ar"), "rcT", "k.a", "a.o"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    done = pvasm("tables", "-i", "xen", "--check-symbols", "k.a", cwd=tmp_path)
    message = "k.a: a thin archive, which has names of objects alone: name these objects"
    assert (done.status, done.error_lines) == (2, [f"pvasm: error: {message}"])


def test_objects_for_another_machine_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.c").write_text("int a;\n")
    compile_c(tmp_path, "a.c")
    done = pvasm("tables", "-i", "xen", "--check-symbols", "a.o", cwd=tmp_path)
    assert done.status == 2
    assert re.fullmatch(r"pvasm: error: a\.o: not for IA-64: the machine is .*\n", done.errors)


def test_damaged_objects_are_refused(tmp_path: Path) -> None:
    """Cut off at any place: told, and nothing is written."""
    assembled(tmp_path, "a.o", defining(SYMBOLS[:3]))
    subprocess.run([require_tool("ia64-linux-gnu-ar"), "rcs", "k.a", "a.o"], cwd=tmp_path, check=True)
    for name in ("a.o", "k.a"):
        data = (tmp_path / name).read_bytes()
        for length in range(0, len(data) - 1, max(1, len(data) // 7)):
            (tmp_path / "cut").write_bytes(data[:length])
            done = pvasm("tables", "-i", "xen", "-o", "x.c", "--check-symbols", "cut", cwd=tmp_path)
            assert (done.status, done.output) == (2, ""), (name, length)
            assert not (tmp_path / "x.c").exists()
