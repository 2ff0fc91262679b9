"""Implicit reads and writes: GNU as -x knows them too, and tells when one instruction's writes meet another's reads.

A writer and an instruction stand in one group, for every writer of some resource and every row of the table. The
resource that as names must be among what we say that the one writes and the other reads.
"""

from __future__ import annotations

import random
import re
import subprocess
from pathlib import Path

import pytest

from pvasm.asm.resolve import resolve
from pvasm.asm.scope import OperandError, Scope
from pvasm.isa.instruction import Instruction
from pvasm.isa.registers import REGISTERS
from pvasm.isa.resources import Resource
from tests.isa.assembly import instances, instruction
from tests.oracle import require_tool
from tests.slow import one_of

_WRITERS = [
    *("mov psr.l=r9", "mov psr.um=r9", "itr.d dtr[r9]=r10", "itr.i itr[r9]=r10", "mov rr[r9]=r10", "mov pkr[r9]=r10"),
    *(
        "mov dbr[r9]=r10",
        "mov ibr[r9]=r10",
        "mov pmc[r9]=r10",
        "mov pmd[r9]=r10",
        "mov msr[r9]=r10",
        "invala",
        "loadrs",
    ),
    *("mov cr.tpr=r9", "mov cr.eoi=r9", "mov r9=cr.ivr"),
    *(f"mov cr.{name}=r9" for name in ("dcr", "pta", "ifa", "itir", "ipsr", "iip", "ifs", "iva", "iipa", "isr")),
    *(f"mov ar.{name}=r9" for name in ("rsc", "bspstore", "rnat", "unat", "fpsr", "pfs", "lc", "ec", "ccv", "csd")),
    *("fsetc.s0 1,2", "fsetc.s1 1,2", "fclrf.s0", "fclrf.s1", "br.call.sptk b0=1b", "alloc r9=ar.pfs,0,0,0,0"),
    *("ld8.a r9=[r10]", "br.ret.sptk b0", "rfi", "epc"),
]

# br.ia enters the IA-32 instruction set, whose every register as counts as read and written; of reserved application
# registers it expects the worst; fpsr.rv is the reserved field; predicates, ar.unat and ar.k0-7 it names as ranges.
_AS_IS_BROADER = re.compile(r"br\.ia|mov(\.[mi])? (r\d+=)?ar(6[0-3]|12[0-7]|0|1[7-9])\b")
_OTHER_NAMES = ("PR%", "PR63", "AR[UNAT]", "AR[K%]", "AR[FPSR].rv", "FR%", "GR%", "CR[IRR%]")


def _resource(name: str) -> Resource:
    """as's name of a resource in ours: `AR[LC]`, `PSR.ic`, `RR#`, `AR[FPSR].sf0.flags`."""
    register = re.fullmatch(r"(AR|CR)\[(\w+)\]", name)
    if register:
        return REGISTERS[f"{register[1]}.{register[2]}".lower()]
    if name.startswith("AR[FPSR]."):
        return f"fpsr.{name.partition('.')[2]}"
    return name.lower() if name.startswith("PSR") else name.rstrip("#*")


@pytest.fixture(scope="module")
def samples() -> dict[str, Instruction]:
    """An instruction of each form, with registers that are no constants."""
    found: dict[str, Instruction] = {}
    forms = set()
    for text in ["alloc r9=ar.pfs,0,0,0,0", *instances(random.Random(5))]:
        own = re.sub(r"\b(start|here)\b", "1b", text)
        own = re.sub(r"\b([rf])(0|127)\b", lambda name: f"{name[1]}{'6' if name[1] == 'f' else '3'}", own)
        own = re.sub(r"\bp(0|63)(?=[,=])", lambda name: "p7" if name[1] == "0" else "p8", own)
        try:
            resolved = resolve(instruction(own), Scope())
        except OperandError:
            continue
        if resolved.form not in forms and resolved.form.mnemonic != "hint.b":
            forms.add(resolved.form)
            found[own] = resolved
    return found


@pytest.mark.parametrize("writer", one_of(2, _WRITERS))
def test_what_as_says_meets_we_say_too(writer: str, samples: dict[str, Instruction], tmp_path: Path) -> None:
    source = tmp_path / "in.s"
    # The serialisations keep one pair's hazards from the next.
    source.write_text("1:\n" + "".join(f"{writer}\n{text} ;;\nsrlz.i ;;\nsrlz.d ;;\n" for text in samples))
    command = [require_tool("ia64-linux-gnu-as"), "-x", str(source), "-o", str(tmp_path / "out.o")]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    texts = list(samples)
    written = resolve(instruction(writer), Scope()).writes
    wrong = []
    found = re.findall(r":(\d+): Warning: Use of '.*?' (?:may )?violates? (RAW|WAW) dependency '(.*?)'", said)
    for line, hazard, name in found:
        place, part = divmod(int(line) - 2, 4)
        if part != 1 or name.startswith(_OTHER_NAMES) or _AS_IS_BROADER.match(texts[place]):
            continue
        one, resource = samples[texts[place]], _resource(name)
        if resource not in written or resource not in (one.reads if hazard == "RAW" else one.writes):
            wrong.append((texts[place], hazard, name))
    assert wrong == []
