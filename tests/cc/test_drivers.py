"""Compilers that are not gcc, and what stands before a compiler: stubs that refuse what the real ones refuse."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tests.cc.compiler import run_through
from tests.oracle import require_tool

# clang says so of an option that does nothing in a command, and Kbuild has it be an error. Of assembly without the C
# preprocessor that is all but -I among these. It takes some options that gcc does not have.
_CLANG = """#!/bin/sh
for word; do
	if [ -n "$skip" ]; then skip=; shift; continue; fi
	shift
	case $word in
	-target | -Xclang | -mllvm | -MJ) skip=1 ;;
	--target=* | -Qunused-arguments | -Werror=unused-command-line-argument) ;;
	*) set -- "$@" "$word" ;;
	esac
done
case " $* " in *" -x assembler "*)
	for word; do
		case $word in
		-D* | -U* | -isystem* | -iquote* | -idirafter* | -include* | -imacros* | -M* | -nostdinc | -undef)
			echo "clang: error: argument unused during compilation: '$word'" >&2
			exit 1 ;;
		esac
	done ;;
esac
exec {compiler} "$@"
"""
_CCACHE = '#!/bin/sh\necho "$@" >> ccache.log\nexec "$@"\n'
_AS = '#!/bin/sh\nexec {program} "$@"\n'


def script(path: Path, text: str) -> str:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    (tmp_path / "include").mkdir()
    (tmp_path / "include/get.h").write_text("#define GET(reg) MOV_FROM_IFA(reg)\n")
    (tmp_path / "a.S").write_text('#include "get.h"\n#ifndef X\n#error no X\n#endif\n\tGET(r20) ;;\n\tRFI\n')
    return tmp_path


FLAGS = "-nostdinc -isysteminclude -iquote include -DX=1 -UY -include get.h -Wp,-MMD,a.d -c a.S -o a.o"


def test_clang(compiler: str, sources: Path) -> None:
    expected = run_through("xen", [compiler, *shlex.split(FLAGS)], sources)
    assert (expected.status, expected.errors) == (0, "")
    clang = script(sources / "bin/clang", _CLANG.format(compiler=compiler))
    own = "--target=ia64-linux-gnu -target ia64 -Xclang -foo -mllvm -bar -MJ a.S.json "
    own += "-Werror=unused-command-line-argument"
    for command in ([clang], [script(sources / "bin/ccache", _CCACHE), clang]):
        (sources / "a.o").unlink()
        made = run_through("xen", [*command, *shlex.split(own), *shlex.split(FLAGS)], sources)
        assert (made.status, made.output, made.errors) == (0, "", "")
        assert made.files["a.o"] == expected.files["a.o"]
    assert (sources / "ccache.log").read_text().count(clang) == 2


def test_a_launcher_before_a_bare_assembler(sources: Path) -> None:
    program = script(sources / "bin/ia64-linux-gnu-as", _AS.format(program=require_tool("ia64-linux-gnu-as")))
    flags = ["-Wa,-x", *shlex.split(FLAGS)]
    alone = run_through("xen", [program, *flags], sources)
    assert (alone.status, alone.errors) == (0, "")
    (sources / "a.o").unlink()
    ccache = script(sources / "bin/ccache", _CCACHE)
    made = run_through("xen", [ccache, program, *flags], sources)
    assert (made.status, made.errors) == (0, "")
    assert made.files["a.o"] == alone.files["a.o"]
    assert program in made.files["ccache.log"].decode()
