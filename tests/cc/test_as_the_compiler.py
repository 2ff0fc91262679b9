"""Without ops, `pvasm cc` is the compiler: the same objects, dependency files, messages, status."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from tests.cc.compiler import Result, both, without_added
from tests.oracle import require_tool
from tests.slow import one_of

SOURCES = {
    "plain.S": '#include "a b.h"\n#ifdef NEVER\n\tmov r9 = r9\n#endif\ns:\tmov r1 = ONE\n\t;;\n\tadds r2 = TWO, r1\n',
    "a b.h": "#define ONE r8\n",
    "forced.h": "#define TWO 2\n",
    "odd$x#y.h": "",
    "other.S": '#include "odd$x#y.h"\n.global other\nother:\tmov r3 = r4\n\tbr.ret.sptk.many rp\n',
    "low.s": '# 40 "low.in"\nlow:\tmov r5 = r6\n',
    "upper.sx": "\tmov r7 = 0\n",
    "code.c": "int code(void) { return 1; }\n",
    "bad.S": "\tmov r1 = r2\n\n\tbogus r1\n",
    "stopped.S": "#error no\n\tmov r1 = r2\n",
    "warned.S": "#warning so\n\tmov r1 = r2\n",
    "response": "-c '-DTWO=3' \"plain.S\"\n-o ou\\t/plain.o -MD",
    "page.lds.S": 'SECTIONS { . = 0x1000 + sizeof; "unclosed }\n',
    "out/.keep": "",
    "stopped.o": "old",
    "bad.o": "old",
}

COMMANDS = """
-c plain.S -DTWO=2
-c plain.S -DTWO=2 -o out/plain.o -MD
-c plain.S -D TWO=2 -oout/plain.o -MMD -MP
-c -include forced.h plain.S -MD -MF out/named.d -MT one -MQ 'two$'
-c -include forced.h other.S -Wp,-MMD,out/.other.o.d -o out/other.o
-c other.S -Wp,-MD,out/other.d,-MP -Wp,-MT,target
-c other.S -Xpreprocessor -MD -Xpreprocessor out/x.d
-c other.S -MD -MF out/a.d -Wp,-MD,out/b.d
-c -o out/no.suffix.o -MD other.S
-c -o out/nosuffix -MD other.S
-c other.S upper.sx -MD
-c other.S upper.sx -MD -MF both.d
-c -g plain.S -DTWO=1
-c -P plain.S -DTWO=1
-c -g low.s
-c -g3 -O2 -Wall -Wa,--fatal-warnings -pipe -I. -isystem . other.S -lnone
-c other.S code.o
-x assembler -c other.S -o out/asm.o
-c -x assembler-with-cpp low.s -MD
-c -x assembler-with-cpp other.S -x none low.s upper.sx
-E plain.S
-E plain.S -MD
-E -P -C plain.S -o out/plain.i -MD
-E -dD plain.S -DTWO=2
-E -dM plain.S -o out/macros
-E plain.S code.c other.S low.s
-S -x c plain.S -x assembler-with-cpp other.S
-S plain.S -MD -o out/plain.s
-M plain.S other.S
-MM plain.S -o out/rules
-M -MF out/rules -MT here -MP plain.S
-M -MG missing.S
-c -MM plain.S
-E -c -S plain.S
@response
-c -save-temps other.S -o out/other.o
-c other.S -save-temps=obj
-c -save-temps=cwd other.S -o out/other.o
-c other.S -save-temps
-c bad.S other.S
-c bad.S -MD -o bad.o
-c stopped.S other.S -MD
-c stopped.S -o stopped.o
-E stopped.S -o out/stopped.i
-c warned.S
-Werror -c warned.S
-c nowhere.S
-c -MF x other.S
-c other.S -o nowhere/other.o
-c other.S upper.sx -o one.o
-c other.S -o
-c --no-such-option other.S
-fsyntax-only bad.S
-x assembler-with-cpp other.S --version
-E -P -C page.lds.S
-c --output=out/long.o --define-macro TWO=2 --include forced.h --write-dependencies plain.S
--compile --output out/long.o --language assembler-with-cpp low.s
-S code.c -o -
-E code.c
-v
-print-prog-name=as
-dumpmachine
""".strip().splitlines()  # fmt: skip


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sources")
    (folder / "out").mkdir()
    for name, text in SOURCES.items():
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize("command", one_of(3, COMMANDS))
def test_is_the_compiler(command: str, compiler: str, sources: Path, tmp_path: Path) -> None:
    plain, ours = both(compiler, shlex.split(command), sources, tmp_path)
    assert ours.errors == plain.errors
    assert ours.status == plain.status
    assert without_added(ours.output) == plain.output
    assert_same_files(plain, ours)


def assert_same_files(plain: Result, ours: Result) -> None:
    assert ours.files.keys() == plain.files.keys()
    for name, content in plain.files.items():
        got = ours.files[name]
        if content.startswith(b"\x7fELF"):
            assert got == content, name
        else:
            assert without_added(got.decode()) == content.decode(), name


@pytest.mark.parametrize(
    "command",
    [
        "-r -nostdlib plain.S low.s -o out/linked -DTWO=4",
        "-r -nostdlib -x assembler-with-cpp plain.S low.s -MD -x none other.S -o out/linked -DTWO=4",
    ],
)
def test_links_as_the_compiler(command: str, compiler: str, sources: Path, tmp_path: Path) -> None:
    plain, ours = both(compiler, command.split(), sources, tmp_path)
    assert (ours.status, ours.output, ours.errors) == (plain.status, plain.output, plain.errors) == (0, "", "")
    # The names of temporary objects stand in the file, the compiler's own as well.
    assert code(ours.files["out/linked"], tmp_path) == code(plain.files["out/linked"], tmp_path)
    rules = {name: without_added(content.decode()) for name, content in ours.files.items() if name.endswith(".d")}
    assert rules == {name: content.decode() for name, content in plain.files.items() if name.endswith(".d")}
    assert ours.files.keys() == plain.files.keys()


def code(content: bytes, folder: Path) -> str:
    (folder / "code").write_bytes(content)
    command = [require_tool("ia64-linux-gnu-objdump"), "-d", "-r", str(folder / "code")]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert text.count("mov") > 1
    return text


@pytest.mark.parametrize(
    "command", ["-c -x assembler-with-cpp - -o x.o -MD", "-c -x assembler -", "-E -x assembler-with-cpp -"]
)
def test_reads_standard_input(command: str, compiler: str, sources: Path, tmp_path: Path) -> None:
    text = b"\tmov r1 = r2\n\tbogus\n" if "-E" in command else b"\tmov r1 = r2\n"
    plain, ours = both(compiler, command.split(), sources, tmp_path, text)
    assert (ours.status, ours.output, ours.errors) == (plain.status, plain.output, plain.errors)
    assert_same_files(plain, ours)
