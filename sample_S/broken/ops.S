/*
 * Ops used wrongly: a line with "broken:" names the codes that a checker must give for that line, and every other line must
 * get none. On bare hardware most of this would work, or at least assemble.
 */
#include "sample.h"

	.text
	.proc	wrong_arguments
wrong_arguments:
	MOV_FROM_IPSR(r16)			/* broken: PV101 where is the predicate? */
	;;
	MOV_TO_IFA(r16, r17, r18)		/* broken: PV101 */
	;;
	MOV_FROM_IFA(r0)			/* broken: PV102 r0 cannot be written */
	;;
	ITC_D(r6, r18, r19)			/* broken: PV102 a predicate is due */
	;;
	SSM_PSR_I(p0, p0, r14)			/* broken: PV102 p0 cannot be clobbered */
	;;
	MOV_TO_KR(CURRENT_TASK, r17, r8, r9)	/* broken: PV102 no such kernel register */
	;;
	MOV_TO_KR(CURRENT, r17, r8, r8)		/* broken: PV103 two clobbers that are one */
	;;
	THASH(p0, r17, r16, r16)		/* broken: PV103 the address, clobbered */
	;;
	BSW_0(r2, r3, r20)			/* broken: PV104 r20 is in the bank that is switched */
	;;
	MOV_FROM_IFFA(r16)			/* broken: PV404 */
	br.ret.sptk.many rp
	.endp	wrong_arguments

	.proc	wrong_groups
wrong_groups:
	mov r17 = r16
	MOV_TO_IFA(r17, r18)			/* broken: PV201 r17 is written in this group */
	;;
	MOV_FROM_ISR(r16)			/* broken: PV201 the next instruction reads it */
	add r17 = r16, r0
	;;
	MOV_FROM_IIM(r16)
	MOV_FROM_IHA(r16)			/* broken: PV202 */
	;;
	br.ret.sptk.many rp
	.endp	wrong_groups

	.proc	wrong_clobbers
wrong_clobbers:
	ITC_D(p0, r18, r19)			/* broken: PV301 read in the other branch */
	;;
(p6)	br.cond.sptk .Lother
	mov r19 = r0
	br.ret.sptk.many rp
.Lother:
	st8 [r20] = r19
	;;
	SSM_PSR_I(p0, p7, r14)			/* broken: PV302 p7 is read in its group */
(p7)	mov r8 = r0
	;;
	RSM_PSR_I(p0, r14, r15)			/* broken: PV301 nothing writes r15 for sure */
	;;
(p6)	mov r15 = r0
	;;
	mov r8 = r15
	br.ret.sptk.many rp
	.endp	wrong_clobbers

	.proc	native_code
native_code:
#ifdef __IA64_ASM_PARAVIRTUALIZED_NATIVE
	mov r16 = cr.ifa
	;;
	MOV_FROM_ISR(r17)			/* broken: PV401 the instruction would do */
	;;
#endif
	br.ret.sptk.many rp
	.endp	native_code
