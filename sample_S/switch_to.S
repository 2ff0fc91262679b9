/*
 * The switch from one task to the next: save what the calling convention says a callee keeps, change stacks (both: memory's
 * and the register stack engine's), restore the same from the other side.
 */
#include "sample.h"

#define SWITCH_BYTES	192
#define SWITCH_UNAT	16
#define SWITCH_PFS	24
#define SWITCH_PR	32
#define SWITCH_LC	40
#define SWITCH_B0	48
#define SWITCH_B1	56
#define SWITCH_RNAT	64
#define SWITCH_BSPSTORE	72
#define SWITCH_R4	80
#define SWITCH_R5	88
#define SWITCH_R6	96
#define SWITCH_R7	104
#define SWITCH_NATS	112
#define SWITCH_F2	128
#define SWITCH_F3	144

	.text

/* previous = __paravirt_switch_to(next): r8 = the task that ran before, for the one that runs now. Interrupts are off. */
FUNCTION(__paravirt_switch_to)
	.prologue
	.regstk 1, 0, 0, 0
	alloc r16 = ar.pfs, 1, 0, 0, 0
	.fframe SWITCH_BYTES
	adds sp = -SWITCH_BYTES, sp
	.save ar.unat, r17
	mov r17 = ar.unat
	mov r18 = pr
	;;
	.save ar.lc, r19
	mov r19 = ar.lc
	.save rp, r20
	mov r20 = b0
	mov r21 = b1
	adds r14 = SWITCH_UNAT, sp
	adds r15 = SWITCH_PFS, sp
	.body
	;;
	st8 [r14] = r17, SWITCH_PR - SWITCH_UNAT
	st8 [r15] = r16, SWITCH_LC - SWITCH_PFS
	;;
	st8 [r14] = r18, SWITCH_B0 - SWITCH_PR
	st8 [r15] = r19, SWITCH_B1 - SWITCH_LC
	;;
	st8 [r14] = r20, SWITCH_RNAT - SWITCH_B0
	st8 [r15] = r21, SWITCH_BSPSTORE - SWITCH_B1
	flushrs					// the whole register stack, to memory
	;;
	mov ar.rsc = 0
	;;
	mov r22 = ar.rnat
	mov r23 = ar.bspstore
	adds r2 = SWITCH_R4, sp
	adds r3 = SWITCH_R5, sp
	;;
	st8 [r14] = r22
	st8 [r15] = r23
	;;
	.mem.offset 0, 0
	st8.spill [r2] = r4, SWITCH_R6 - SWITCH_R4
	.mem.offset 8, 0
	st8.spill [r3] = r5, SWITCH_R7 - SWITCH_R5
	;;
	.mem.offset 16, 0
	st8.spill [r2] = r6, SWITCH_F2 - SWITCH_R6
	.mem.offset 24, 0
	st8.spill [r3] = r7, SWITCH_F3 - SWITCH_R7
	;;
	stf.spill [r2] = f2
	stf.spill [r3] = f3
	mov r17 = ar.unat
	adds r14 = SWITCH_NATS, sp
	;;
	st8 [r14] = r17
	adds r15 = TASK_KSP, r13
	adds r18 = TASK_STACK_PA, in0
	;;
	st8 [r15] = sp
	ld8 r26 = [r18]				// the next task's stack, physical
	mov r27 = IA64_KR(CURRENT_STACK)	// the granule that is mapped now
	;;
	shr.u r28 = r26, GRANULE_BITS
	;;
	cmp.eq p7, p6 = r28, r27
(p6)	br.cond.dpnt.few .Lmap_stack
	;;
.Lmapped:
	adds r15 = TASK_KSP, in0
	mov r24 = in0
	mov r8 = r13
	;;
	ld8 sp = [r15]
	MOV_TO_KR(CURRENT, r24, r10, r11)	// who runs from now on
	;;
	mov r13 = r24
	adds r14 = SWITCH_BSPSTORE, sp
	adds r15 = SWITCH_RNAT, sp
	;;
	ld8 r23 = [r14]
	ld8 r22 = [r15]
	alloc r16 = ar.pfs, 0, 0, 0, 0
	;;
	loadrs					// ar.rsc.loadrs is 0: forget what is in the registers
	;;
	mov ar.bspstore = r23
	;;
	mov ar.rnat = r22
	;;
	mov ar.rsc = 3
	adds r14 = SWITCH_NATS, sp
	adds r2 = SWITCH_R4, sp
	adds r3 = SWITCH_R5, sp
	;;
	ld8 r17 = [r14]
	;;
	mov ar.unat = r17
	;;
	ld8.fill r4 = [r2], SWITCH_R6 - SWITCH_R4
	ld8.fill r5 = [r3], SWITCH_R7 - SWITCH_R5
	;;
	ld8.fill r6 = [r2], SWITCH_F2 - SWITCH_R6
	ld8.fill r7 = [r3], SWITCH_F3 - SWITCH_R7
	;;
	ldf.fill f2 = [r2]
	ldf.fill f3 = [r3]
	adds r14 = SWITCH_UNAT, sp
	adds r15 = SWITCH_PFS, sp
	;;
	ld8 r17 = [r14], SWITCH_PR - SWITCH_UNAT
	ld8 r16 = [r15], SWITCH_LC - SWITCH_PFS
	;;
	ld8 r18 = [r14], SWITCH_B0 - SWITCH_PR
	ld8 r19 = [r15], SWITCH_B1 - SWITCH_LC
	;;
	ld8 r20 = [r14]
	ld8 r21 = [r15]
	mov ar.unat = r17
	mov ar.pfs = r16
	;;
	mov pr = r18, -1
	mov ar.lc = r19
	mov b0 = r20
	mov b1 = r21
	.restore sp
	adds sp = SWITCH_BYTES, sp
	br.ret.sptk.many b0
	;;

/* r28 = the granule of the next task's stack, r26 an address in it: give it the translation register for stacks. */
.Lmap_stack:
	RSM_PSR_IC(r25)				// cr.ifa and cr.itir are ours from here
	movl r20 = PTE_KERNEL
	dep r26 = 0, r26, 0, GRANULE_BITS
	;;
	srlz.d
	or r20 = r20, r26
	mov r29 = GRANULE_BITS << 2
	dep r21 = -1, r26, 61, 3		// its address in the kernel's region
	;;
	MOV_TO_ITIR(p0, r29, r25)
	;;
	MOV_TO_IFA(r21, r25)
	mov r30 = STACK_TR
	;;
	itr.d dtr[r30] = r20			// no op for this one: a hypervisor traps it
	;;
	srlz.d
	MOV_TO_KR(CURRENT_STACK, r28, r8, r9)
	;;
	SSM_PSR_IC_AND_SRLZ_D(r9, r10)
	;;
	br.cond.sptk.many .Lmapped
FUNCTION_END(__paravirt_switch_to)
