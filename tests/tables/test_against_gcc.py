"""The C tables by what gcc makes of them: as Linux has them member by member, called by a program through each."""

from __future__ import annotations

import random
import re
import subprocess
from pathlib import Path

import pytest
from msgspec.structs import replace

from pvasm.errors import PvasmError
from pvasm.paravirt.c_tables import Member, Table, flaw_of_type
from pvasm.paravirt.instance import Instance
from pvasm.paravirt.loading import load_catalog, load_instance
from pvasm.paravirt.shipped import instance_names
from pvasm.tables.c_lines import string
from pvasm.tables.filled_tables import fill
from pvasm.tables.table_header import header_of, member_lines
from pvasm.tables.table_source import Role, source_of
from tests.cli.command import pvasm
from tests.oracle import require_tool
from tests.tables.host import INSTANCES, STRICT, calls, compile_c, printed, run, stubs
from tests.tables.linux_tables import INITIALISERS, MAY_BE_NULL, SIZES, TABLES, TYPEDEFS

CATALOG = load_catalog()
OPEN = ("-Wall", "-Wextra", "-Werror", "-std=gnu99")  # with printf


def write(folder: Path, name: str, role: Role) -> Instance:
    """Writes an instance's source and header."""
    instance = load_instance(name)
    tables = fill(instance)
    (folder / f"{name}.h").write_text(header_of(tables))
    (folder / f"{name}.c").write_text(source_of(tables, role, own=f"{name}.h"))
    return instance


def test_all_instances_are_tried() -> None:
    assert sorted(INSTANCES) == instance_names()


def test_every_struct_is_linuxs(tmp_path: Path) -> None:
    """The same members in the same places, of compatible types, and no others: the sizes say that."""
    write(tmp_path, "xen", "installed")
    asserted = [TYPEDEFS]
    for table, members in TABLES.items():
        for name, fact in members.items():
            type_ = fact.result
            if fact.parameters is not None:
                type_ += f" (*)({', '.join(fact.parameters) or 'void'})"
            of = f"__typeof__(((struct {table} *)0)->{name})"
            asserted.append(f'_Static_assert(__builtin_types_compatible_p({of}, {type_}), "{table}.{name}");')
            place = f"__builtin_offsetof(struct {table}, {name}) == {fact.offset}"
            asserted.append(f'_Static_assert({place}, "{table}.{name}");')
        asserted.append(f'_Static_assert(sizeof(struct {table}) == {SIZES[table]}, "{table}");')
    (tmp_path / "same.c").write_text('#include "xen.h"\n' + "\n".join(asserted) + "\n")
    compile_c(tmp_path, "same.c")
    assert {name: list(table.members) for name, table in CATALOG.tables.items()} == {
        name: list(members) for name, members in TABLES.items()
    }


@pytest.mark.parametrize("name", INITIALISERS)
def test_every_member_is_what_linux_has(name: str) -> None:
    found: dict[str, dict[str, int | str]] = {table: {} for table in TABLES}
    for slot in fill(load_instance(name)).slots:
        if slot.value is not None:
            found[slot.table.name][slot.member.name] = slot.value
    assert found == INITIALISERS[name]


def test_what_may_be_null_is_what_linux_looks_at() -> None:
    found = {
        f"{table.name}.{name}"
        for table in CATALOG.tables.values()
        for name, m in table.members.items()
        if m.may_be_null
    }
    assert found == MAY_BE_NULL


@pytest.mark.parametrize("name", INSTANCES)
def test_every_instance_compiles(name: str, tmp_path: Path) -> None:
    """With its own header, with the structs declared elsewhere, and by itself."""
    tables = fill(load_instance(name))
    (tmp_path / "own.h").write_text(header_of(tables))
    (tmp_path / "kernels.h").write_text(header_of(fill(load_instance("xen"))))
    ways = {
        "own": source_of(tables, "installed", own="own.h"),
        "kernels": source_of(tables, "installed", others=["kernels.h"]),
        "alone": source_of(tables, "installed"),
        "own_initial": source_of(tables, "initial", own="own.h"),
        "alone_initial": source_of(tables, "initial"),
    }
    for way, text in ways.items():
        (tmp_path / f"{way}.c").write_text(text)
    compile_c(tmp_path, *(f"{way}.c" for way in ways), flags=(*STRICT, "-I."))


def test_an_offset_that_moves_does_not_compile(tmp_path: Path) -> None:
    """Two members that change places: the source says which it is, and so it does for Linux's own header."""
    before = "\tunsigned int kernel_rpl;\n\tint paravirt_enabled;\n"
    after = "\tint paravirt_enabled;\n\tunsigned int kernel_rpl;\n"
    text = source_of(fill(load_instance("xen")), "installed")
    assert before in text
    (tmp_path / "a.c").write_text(text.replace(before, after))
    command = [require_tool("gcc"), *STRICT, "-c", "a.c"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert 'static assertion failed: "pv_info.kernel_rpl"' in done.stderr
    assert done.returncode != 0


def test_a_program_calls_through_every_member(tmp_path: Path) -> None:
    """An image that starts as native, and becomes Xen's: what Linux calls is native's, then Xen's."""
    native = write(tmp_path, "native", "initial")
    xen = write(tmp_path, "xen", "installed")
    (tmp_path / "main.c").write_text(
        "#include <assert.h>\n#include <stdio.h>\n#include <string.h>\n"
        f'{TYPEDEFS}#include "native.h"\n#include "xen.h"\n'
        f"{stubs(native)}{stubs(xen)}{calls()}"
        "int main(void)\n{\n"
        '\tcall_all();\n\tprintf("%u %d %s\\n", get_kernel_rpl(), paravirt_enabled(), pv_info.name);\n'
        f"{data_checks(native)}"
        "\tnative_setup_pv_ops();\n\txen_setup_pv_ops();\n"
        '\tcall_all();\n\tprintf("%u %d %s\\n", get_kernel_rpl(), paravirt_enabled(), pv_info.name);\n'
        f"{data_checks(xen)}"
        "\treturn 0;\n}\n"
    )
    compile_c(tmp_path, "main.c", "native.c", "xen.c", flags=OPEN, output="image")
    assert run(tmp_path, "image") == [*printed(native), "0 0 bare hardware", *printed(xen), "2 1 Xen/ia64"]


def data_checks(instance: Instance) -> str:
    """Statements that compare the members that are addresses of data with the symbols."""
    lines = [
        f"\tassert((unsigned long){table}.{name} == (unsigned long){instance.tables[table][name]});\n"
        for table, members in TABLES.items()
        for name, fact in members.items()
        if fact.parameters is None and table != "pv_info"
    ]
    assert len(lines) == 15
    return "".join(lines)


def test_a_null_member_does_nothing(tmp_path: Path) -> None:
    """All that may be null is: nothing is printed, and 0 comes of those that give a value."""
    (tmp_path / "mine.yaml").write_text(
        "name: mine\ndescription: A test\nextends: xen\ntables:\n"
        + "".join(
            f"  {table}: {{{', '.join(f'{name}: null' for name in members if f'{table}.{name}' in MAY_BE_NULL)}}}\n"
            for table, members in TABLES.items()
        )
    )
    mine = load_instance(str(tmp_path / "mine.yaml"))
    tables = fill(mine)
    (tmp_path / "mine.h").write_text(header_of(tables))
    (tmp_path / "mine.c").write_text(source_of(tables, "installed", own="mine.h"))
    (tmp_path / "main.c").write_text(
        f'#include <stdio.h>\n{TYPEDEFS}#include "mine.h"\n{stubs(mine)}{calls()}'
        "int main(void)\n{\n\tmine_setup_pv_ops();\n\tcall_all();\n\treturn 0;\n}\n"
    )
    compile_c(tmp_path, "main.c", "mine.c", flags=OPEN, output="image")
    lines = run(tmp_path, "image")
    assert lines == printed(mine)
    assert lines.count("gives 0") == 4  # reserve_memory, arch_setup_nomca, patch_bundle, patch_inst
    assert not any("banner" in line or "clocksource" in line for line in lines)


def test_without_c_functions_there_is_nothing_that_calls_them(tmp_path: Path) -> None:
    """With ASM_SUPPORTED, those of pv_cpu_ops are called by stubs of assembly."""
    write(tmp_path, "xen", "installed")
    (tmp_path / "a.c").write_text('#define ASM_SUPPORTED\n#include "xen.h"\nint paravirt_thash, paravirt_fc;\n')
    compile_c(tmp_path, "a.c", "xen.c")


def test_the_offsets_of_assembly_are_those_of_c(tmp_path: Path) -> None:
    """What `pvasm header` defines is what gcc has for each member of the structs that `pvasm tables` declares."""
    write(tmp_path, "trap", "installed")
    done = pvasm("header", "-i", "trap", "-o", "ops.h", cwd=tmp_path)
    assert done.status == 0
    command = [require_tool("gcc"), "-E", "-dM", "-D__ASSEMBLER__", "ops.h"]
    macros = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    values = dict(re.findall(r"^#define (PV_\w+_(?:OFFSET|SIZE)) (\d+)$", macros, re.M))
    lines = ['#include "trap.h"']
    for table, members in TABLES.items():
        for name in members:
            value = values.pop(f"{table}_{name}_OFFSET".upper())
            lines.append(f'_Static_assert(__builtin_offsetof(struct {table}, {name}) == {value}, "{table}.{name}");')
        lines.append(f'_Static_assert(sizeof(struct {table}) == {values.pop(f"{table}_SIZE".upper())}, "{table}");')
    assert not values
    (tmp_path / "a.c").write_text("\n".join(lines) + "\n")
    compile_c(tmp_path, "a.c")


# ------------------------------------------------------------------------------------ properties

SCALARS = (
    *("char", "unsigned char", "short", "unsigned short", "int", "unsigned int", "long", "unsigned long"),
    *(
        "long long",
        "unsigned long long",
        "void *",
        "const char **",
        "struct x *",
        "int (void)",
        "void (char *a, int b)",
    ),
)


def test_offsets_of_random_tables_are_gccs(tmp_path: Path) -> None:
    """300 structs of members of all types in random order."""
    random.seed(20_261_128)
    lines = []
    for number in range(300):
        types = random.choices(SCALARS, k=random.randint(1, 12))
        assert not any(map(flaw_of_type, types))
        members = {f"m{at}": Member(f"m{at}", type_, False, None) for at, type_ in enumerate(types)}
        table = Table(f"t{number}", members)
        lines += [f"struct {table.name} {{", *(line for each in members.values() for line in member_lines(each)), "};"]
        for name, offset in table.offsets().items():
            lines.append(f'_Static_assert(__builtin_offsetof(struct t{number}, {name}) == {offset}, "{types}");')
        lines.append(f'_Static_assert(sizeof(struct t{number}) == {table.size}, "{types}");')
    (tmp_path / "a.c").write_text("\n".join(lines) + "\n")
    compile_c(tmp_path, "a.c")


VALUES: tuple[int | str | None, ...] = (
    *(None, 0, -1, 0xFFFF_FFFF, 1 << 32, (1 << 64) - 1, 1 << 64, "", "a-b", "banner", "one", "two", "xen_thash"),
    *("pv_info", "int", "_Static_assert", "assign_irq_vector", "mine_pv_info", "paravirt_banner", "mine_setup_pv_ops"),
    *("x; int y", 'x"', "*/", "??/", "\\", "%s \n", "ß", "struct", "x y"),
)


def test_what_is_not_refused_compiles(tmp_path: Path) -> None:
    """Instances with random values, right and wrong ones, for a member or two: refused with the member, or C."""
    random.seed(20_261_128)
    xen = load_instance("xen")
    members = [(table, name) for table, names in TABLES.items() for name in names]
    made, refused = [], []
    for number in range(350):
        tables = {table: dict(values) for table, values in xen.tables.items()}
        for table, name in random.sample(members, random.randint(1, 2)):
            tables[table][name] = random.choice(VALUES)
        try:
            filled = fill(replace(xen, name="mine", tables=tables))
        except PvasmError as error:
            refused.append(error.message)
            continue
        made.append(f"{number}.c")
        (tmp_path / made[-1]).write_text(source_of(filled, random.choice(("installed", "initial"))))
    assert len(made) > 25
    assert all(re.match(r"tables\.pv_\w+(\.\w+ must be |\.\w+: | does not set )", message) for message in refused)
    compile_c(tmp_path, *made)


def test_texts_are_the_same_bytes_in_c(tmp_path: Path) -> None:
    """Quotes, backslashes, trigraphs (-std=c99 has them), digits behind what is written in octal, other alphabets."""
    random.seed(20_261_128)
    alphabet = [*'"\\??/=(%\n\t\x01079aé語', "\N{GRINNING FACE}"]
    texts = ["", *("".join(random.choices(alphabet, k=random.randint(1, 20))) for _ in range(500))]
    values = ",\n".join(map(string, texts))
    (tmp_path / "main.c").write_text(
        f"#include <stdio.h>\nstatic const char *texts[] = {{\n{values}\n}};\n"
        "int main(void)\n{\n\tfor (int i = 0; i < (int)(sizeof(texts) / sizeof(*texts)); i++) {\n"
        '\t\tfor (const char *c = texts[i]; *c; c++)\n\t\t\tprintf("%02x", *c & 255);\n\t\tputchar(10);\n\t}\n'
        "\treturn 0;\n}\n"
    )
    compile_c(tmp_path, "main.c", flags=("-std=c99", "-Wall", "-Werror"), output="image")
    assert run(tmp_path, "image") == [text.encode().hex() for text in texts]
