"""What an op replaces together with the instruction before is taken away whole: no blank stays at a line's end."""

from __future__ import annotations

import pytest

from tests.fix.fixing import mended

END = "\t;;\n\tbr.ret.sptk.many rp\n"
CASES = {
    "\tssm psr.ic ;; srlz.d\n": "\tSSM_PSR_IC_AND_SRLZ_D(r14, r15)\n",
    "\tssm psr.ic ;; srlz.d  \n": "\tSSM_PSR_IC_AND_SRLZ_D(r14, r15)\n",
    "\tssm 0x2000 ;; srlz.d\n": "\tSSM_PSR_IC_AND_SRLZ_D(r14, r15)\n",
    "\tssm psr.ic;;srlz.d\n": "\tSSM_PSR_IC_AND_SRLZ_D(r14, r15)\n",
    "\tssm psr.ic\n\t;;\n\tsrlz.d\n": "\tSSM_PSR_IC_AND_SRLZ_D(r14, r15)\n",
    "\tssm psr.ic ;;\n\tsrlz.d\n": "\tSSM_PSR_IC_AND_SRLZ_D(r14, r15)\n",
    "\tssm psr.ic ;; srlz.d // why\n": "\tSSM_PSR_IC_AND_SRLZ_D(r14, r15) // why\n",
    "\tssm psr.ic ;; srlz.d ; nop 1\n": "\tSSM_PSR_IC_AND_SRLZ_D(r14, r15) ; nop 1\n",
    "\tnop 0 ; ssm psr.ic ;; srlz.d ; nop 1\n": "\tnop 0 ; SSM_PSR_IC_AND_SRLZ_D(r14, r15) ; nop 1\n",
    "\tssm psr.ic ;;\n\tsrlz.d ; nop 1\n": "\tSSM_PSR_IC_AND_SRLZ_D(r14, r15)\n\tnop 1\n",
}


@pytest.mark.parametrize("text", CASES)
def test_the_rest_of_the_line(text: str) -> None:
    assert mended(f"f:\n{text}{END}").text == f"f:\n{CASES[text]}{END}"
