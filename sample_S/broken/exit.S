/*
 * exit.S with breakages: a line with "broken:" names the codes that a checker must give for that line, and every other line
 * must get none.
 */
#include "sample.h"

#define ALL_PREDICATES	-1

/* Nothing may come between this and rfi: from here on the control registers hold what rfi will use. */
#define RETURN_TO(psr_reg, ip_reg, frame_reg, scratch)	\
	MOV_TO_IPSR(p0, psr_reg, scratch);;		\
	MOV_TO_IIP(ip_reg, scratch);;			\
	mov cr.ifs = frame_reg;;	/* broken: PV002 its operand is a parameter */

/* Interrupts off, and stay off until rfi. r2, r18: free, C has returned. */
#define STOP_INTERRUPTS		RSM_PSR_I(p0, r2, r18)

	.macro	FILL_PAIR even, odd
	ld8.fill \even = [r2], 16
	ld8.fill \odd = [r3], 16
	;;
	.endm

	.text

/*
 * After a system call. r8 and r10 are its result; by convention the other scratch registers are lost, but no kernel value
 * may show in them. Who gets here came from user code.
 */
FUNCTION(__paravirt_leave_syscall)
	.prologue
	.unwabi 3, 'i'
	.body
	STOP_INTERRUPTS
	adds r14 = TASK_FLAGS, r13
	;;
	ld4 r15 = [r14]
	;;
	and r15 = TASK_WORK_MASK, r15
	;;
	cmp4.ne p6, p0 = r0, r15
(p6)	br.cond.spnt.few .Lsyscall_work
	;;
.Lsyscall_done:
#ifdef SAMPLE_ACCOUNT_TIME
	mov r22 = ar.itc /* broken: PV001 */	// user time starts now
	adds r14 = TASK_LAST_EXIT, r13
	;;
	st8 [r14] = r22
#endif
	RSM_PSR_I_IC(r20, r21, r22)
	;;
	srlz.d
	;;
	bsw.0					/* broken: PV002 */
	;;
	adds r16 = FRAME_IPSR, sp
	adds r17 = FRAME_IIP, sp
	;;
	ld8 r29 = [r16], FRAME_IFS - FRAME_IPSR
	ld8 r28 = [r17], FRAME_RSC - FRAME_IIP
	;;
	ld8 r30 = [r16], FRAME_PFS - FRAME_IFS
	ld8 r27 = [r17], FRAME_UNAT - FRAME_RSC
	;;
	ld8 r26 = [r16], FRAME_PR - FRAME_PFS
	ld8 r25 = [r17], FRAME_B0 - FRAME_UNAT
	;;
	ld8 r31 = [r16], FRAME_RNAT - FRAME_PR
	ld8 r24 = [r17], FRAME_BSPSTORE - FRAME_B0
	;;
	ld8 r21 = [r16], FRAME_LOADRS - FRAME_RNAT
	ld8 r20 = [r17], FRAME_R1 - FRAME_BSPSTORE
	;;
	ld8 r18 = [r16], FRAME_R12 - FRAME_LOADRS
	ld8.fill r1 = [r17], FRAME_R13 - FRAME_R1
	;;
	ld8 r23 = [r16]
	ld8.fill r13 = [r17]
	;;
	cover	/* broken: PV001 */		// the kernel's frame joins the dirty ones, to be dropped by loadrs
	;;
	mov ar.rsc = r18			// keep as many bytes as user code had
	mov sp = r23
	;;
	loadrs
	;;
	mov ar.bspstore = r20
	;;
	mov ar.rnat = r21
	RETURN_TO(r29, r28, r30, r19)
	mov r2 = r0
	mov r3 = r0
	mov r9 = r0
	mov r11 = r0
	mov r14 = r0
	mov r15 = r0
	mov ar.rsc = r27
	mov ar.pfs = r26
	mov ar.unat = r25
	mov b0 = r24
	mov b6 = r0
	mov b7 = r0
	mov pr = r31, ALL_PREDICATES
	;;
	RFI
	;;

.Lsyscall_work:
	alloc r14 = ar.pfs, 0, 2, 1, 0
{ .mmi	ssm psr.i /* broken: PV002 on the line of its brace */ ; nop.m 0 ; nop.i 0 }	// on again, for what C does now
	;;
	mov loc0 = r8
	mov loc1 = r10
	mov out0 = sp
	br.call.sptk.many rp = do_pending_work
	;;
	mov r8 = loc0
	mov r10 = loc1
	br.cond.sptk.many __paravirt_leave_syscall
FUNCTION_END(__paravirt_leave_syscall)

/* After an interruption: every register comes back as it was, in user code or in the kernel. */
FUNCTION(__paravirt_leave_kernel)
	.prologue
	.unwabi 3, 'i'
	.body
	STOP_INTERRUPTS
	adds r14 = TASK_FLAGS, r13
	adds r15 = FRAME_IPSR, sp
	;;
	ld4 r17 = [r14]
	ld8 r29 = [r15]
	;;
	and r17 = TASK_WORK_MASK, r17
	extr.u r20 = r29, PSR_CPL_BIT, 2
	;;
	cmp.ne pUser, pKernel = r0, r20
	cmp4.ne p6, p7 = r0, r17
	.pred.rel "mutex", p14, p15
	;;
(pKernel)	cmp.ne p6, p7 = r0, r0		// p6 clear: work waits for the return to user code
	;;
(p6)	br.cond.spnt.few .Lkernel_work
	adds r8 = FRAME_NATS, sp
	adds r2 = FRAME_R16, sp
	adds r3 = FRAME_R17, sp
	;;
	ld8 r9 = [r8]
	;;
	mov ar.unat = r9
	;;
	FILL_PAIR r16, r17
	FILL_PAIR r18, r19
	FILL_PAIR r20, r21
	FILL_PAIR r22, r23
	FILL_PAIR r24, r25
	FILL_PAIR r26, r27
	FILL_PAIR r28, r29
	FILL_PAIR r30, r31
	rsm psr.i|psr.ic			/* broken: PV002 */
	;;
	srlz.d
	;;
	BSW_0(r2, r3, r14)			// bank 1 is full again; now bank 0 is ours
	;;
	adds r16 = FRAME_IPSR, sp
	adds r17 = FRAME_IIP, sp
	;;
	ld8 r29 = [r16], FRAME_IFS - FRAME_IPSR
	ld8 r28 = [r17], FRAME_RSC - FRAME_IIP
	;;
	ld8 r30 = [r16], FRAME_PFS - FRAME_IFS
	ld8 r27 = [r17], FRAME_UNAT - FRAME_RSC
	;;
	ld8 r26 = [r16], FRAME_PR - FRAME_PFS
	ld8 r25 = [r17], FRAME_B0 - FRAME_UNAT
	;;
	ld8 r31 = [r16], FRAME_RNAT - FRAME_PR
	ld8 r24 = [r17], FRAME_BSPSTORE - FRAME_B0
	;;
	ld8 r21 = [r16], FRAME_LOADRS - FRAME_RNAT
	ld8 r20 = [r17], FRAME_R1 - FRAME_BSPSTORE
	;;
	ld8 r18 = [r16], FRAME_R2 - FRAME_LOADRS
	ld8.fill r1 = [r17], FRAME_R3 - FRAME_R1
	;;
	ld8.fill r2 = [r16], FRAME_R8 - FRAME_R2
	ld8.fill r3 = [r17], FRAME_R9 - FRAME_R3
	;;
	ld8.fill r8 = [r16], FRAME_R10 - FRAME_R8
	ld8.fill r9 = [r17], FRAME_R11 - FRAME_R9
	;;
	ld8.fill r10 = [r16], FRAME_R12 - FRAME_R10
	ld8.fill r11 = [r17], FRAME_R13 - FRAME_R11
	;;
	ld8 r23 = [r16], FRAME_R14 - FRAME_R12
	ld8.fill r13 = [r17], FRAME_R15 - FRAME_R13
	;;
	ld8.fill r14 = [r16]
	ld8.fill r15 = [r17]
	mov sp = r23
	;;
	COVER
	;;
(pKernel)	br.cond.dptk.few .Lsame_stack
	mov ar.rsc = r18
	;;
	loadrs
	;;
	mov ar.bspstore = r20
	;;
	mov ar.rnat = r21
.Lsame_stack:
	;;
	RETURN_TO(r29, r28, r30, r19)		/* broken: PV301 PV301 r19 is read below */
	mov ar.rsc = r27
	mov ar.pfs = r26
	mov ar.unat = r25
	mov b0 = r24
	mov pr = r31, ALL_PREDICATES
	mov psr.l = r19				/* broken: PV003 no op stands for it */
	;;
{ .mfb
	nop.m 0
	nop.f 0
	rfi					/* broken: PV002 the last slot of a bundle */
	;;
}

.Lkernel_work:
	alloc r14 = ar.pfs, 0, 0, 1, 0
	SSM_PSR_I(p6, p8, r15)
	;;
	mov out0 = sp
	br.call.sptk.many rp = do_pending_work
	;;
{ .mfb
	nop.m 0
	nop.f 0
	br.cond.sptk.many __paravirt_leave_kernel
}
FUNCTION_END(__paravirt_leave_kernel)
