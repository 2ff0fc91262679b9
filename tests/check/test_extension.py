"""The ops that Linux does not have: known wherever they are used, asked for if somebody wants them."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from pvasm.check.diagnostic import Diagnostic
from pvasm.check.engine import Selection, run
from pvasm.check.subject import Subject
from pvasm.isa.mnemonics import is_mnemonic
from pvasm.paravirt.catalog import Op
from pvasm.paravirt.environments import build_names, known_macros
from pvasm.paravirt.loading import load_catalog
from pvasm.syntax.document import read_document
from pvasm.syntax.parser import Parser
from tests.check.checking import check
from tests.cli.command import pvasm
from tests.paravirt.cases import OPS, plain

PARSER = Parser(is_mnemonic)
CATALOG = replace(load_catalog(), asks_for_extension=True)
EXTENSION = [op for op in OPS if op.extension]


def asked(text: str, *codes: str) -> list[Diagnostic]:
    """What is found where the extension is asked for."""
    document = read_document(PARSER, text, "a.S")
    return run(Subject(document, CATALOG, known_macros(), tuple(build_names())), Selection(codes or None).rules())


# Reading ar.eflag minds no privilege level; there is an op for what a hypervisor has kept there.
@pytest.mark.parametrize("op", [op for op in EXTENSION if op.name != "MOV_FROM_EFLAG"], ids=lambda op: op.name)
def test_its_instruction_should_be_the_op(op: Op) -> None:
    given = {parameter.name: text for parameter, text in zip(op.parameters, plain(op), strict=True)}
    text = f"\t{CATALOG.replaced(op, given)}\n"
    (wanted,) = asked(text, "PV001", "PV002")
    assert f"use {op.name}({plain(op)[0]}" in wanted.message
    assert not check(text, "PV002")  # the ops of Linux alone
    (plainly,) = check(text, "PV001", "PV003")
    assert f": {op.name} of the extension would do (--extension)" in plainly.message


@pytest.mark.parametrize("op", EXTENSION, ids=lambda op: op.name)
def test_its_arguments_are_checked_whether_it_is_asked_for_or_not(op: Op) -> None:
    assert not check(f"\t{op.name}({', '.join(plain(op))})\n")
    assert {d.code for d in check(f"\t{op.name}({', '.join([*plain(op), 'r3'])})\n")} == {"PV101"}


def test_no_sensitive_instruction_is_without_an_op() -> None:
    """Of each sensitive and not privileged instruction (SDM 2:3.4, 2:11.7), one that has it all."""
    lines = ["thash r1=r2", "ttag r1=r2", "cover", "fc r2", "fc.i r2", "mov r1=cpuid[r2]", "mov r1=pmd[r2]"]
    lines += ["mov r1=ar.itc", "mov ar.eflag=r2"]
    for line in lines:
        (found,) = asked(f"(p6)\t{line}\n" if line != "cover" else "\tcover\n", "PV001")
        assert ": use " in found.message, line


def test_by_option_and_by_configuration(tmp_path: Path) -> None:
    (tmp_path / "a.S").write_text("\tptc.ga r2, r3\n")
    off = pvasm("check", "a.S", cwd=tmp_path)
    assert (off.status, "PV003" in off.output) == (0, True)
    on = pvasm("check", "--extension", "a.S", cwd=tmp_path)
    assert (on.status, "use PTC_GA(p0, r2, r3, clob0, clob1)" in on.output) == (1, True)
    (tmp_path / "pvasm.toml").write_text("extension = true\n")
    assert pvasm("check", "a.S", cwd=tmp_path).output == on.output
    assert pvasm("check", "--no-extension", "a.S", cwd=tmp_path).output == off.output


def test_mending_puts_it_in(tmp_path: Path) -> None:
    (tmp_path / "a.S").write_text("f:\tfc r32\n\t;;\n\tmov r2=r0\n\tmov r3=r0\n\tbr.ret.sptk.many rp\n")
    assert pvasm("check", "--fix", "a.S", cwd=tmp_path).status == 1
    assert "fc r32" in (tmp_path / "a.S").read_text()
    pvasm("check", "--fix", "--extension", "a.S", cwd=tmp_path)
    assert "FC(p0, r32, r" in (tmp_path / "a.S").read_text()
