/*
 * A kernel in small, for bare hardware and for guests: it sets its vectors, waits for the timer, and then has three user
 * tasks take turns at a system call that prints a letter. `pvasm test sample_S/guest` boots it in each environment.
 *
 * Handlers run in bank 0 with interruption collection off; tasks have nothing but r14, r15 and p6.
 */
#include "guest.h"

	.text
	.global start
start:
#ifdef __IA64_ASM_PARAVIRTUALIZED_XEN
	mov r2 = XEN_SET_SHARED_PAGE		// where Xen is to put the page that it shares with its guest
	movl r28 = XEN_SHARED_PAGE
	;;
	break XEN_HYPERCALL
	mov r28 = r0
	;;
#endif
	movl r2 = vectors
	movl r3 = CURSOR
	movl r4 = CONSOLE
	;;
	mov cr.iva = r2				/* pvasm: ignore[PV003] it traps, and is emulated */
	st8 [r3] = r4
	mov r5 = TIMER_VECTOR
	;;
	mov cr.itv = r5				/* pvasm: ignore[PV003] it traps, and is emulated */
	;;
	srlz.d
	;;
	MOV_FROM_ITC(p0, p6, r4, r5)
	;;
	adds r4 = TIMER_TICKS, r4
	;;
	MOV_TO_ITM(p0, r4, r5)
	;;
	SSM_PSR_I(p0, p6, r5)
	movl r3 = TICKS
	;;
1:	ld8 r4 = [r3]
	;;
	cmp.eq p6, p0 = r0, r4
(p6)	br.cond.spnt.few 1b
	;;
	mov r15 = 'T'
	PUT_CHARACTER(r15, r2, r3)

	// Three tasks, which differ in their letter; the first one runs.
	movl r2 = TASKS
	movl r3 = task
	movl r4 = USER_PSR
	mov r5 = 'A'
	mov r6 = 3
	;;
2:	st8 [r2] = r3, TASK_PSR - TASK_IP
	adds r6 = -1, r6
	;;
	st8 [r2] = r4, TASK_LETTER - TASK_PSR
	cmp.ne p6, p0 = r0, r6
	;;
	st8 [r2] = r5, TASK_BYTES - TASK_LETTER
	adds r5 = 1, r5
(p6)	br.cond.sptk.few 2b
	;;
	RSM_PSR_I_IC(r2, r3, r4)
	;;
	srlz.d
	;;
	movl r2 = task
	movl r3 = USER_PSR
	movl r4 = VALID_FRAME
	mov r14 = 'A'
	;;
	MOV_TO_IIP(r2, r5)
	MOV_TO_IPSR(p0, r3, r5)
	;;
	MOV_TO_IFS(p0, r4, r5)
	;;
	RFI
	;;

/* What user code does: a system call, again and again. */
	.align 32
task:
	{ .mib
	mov r15 = r14
	nop.i 0
	nop.b 0
	;;
	}
	{ .mib
	break.m SYSTEM_CALL
	nop.i 0
	br.cond.sptk.few task
	;;
	}

	.section .text.vectors, "ax"
	.align 32768
vectors:
	.org 0x2c00

/* A system call: print the letter in r15; after so many, stop; else it is the next task's turn. */
	MOV_FROM_IIM(r16)
	movl r17 = SYSTEM_CALL
	mov r31 = pr
	;;
	cmp.ne p6, p0 = r16, r17
(p6)	br.cond.spnt.few wrong
	PUT_CHARACTER(r15, r18, r19)
	movl r18 = CALLS
	;;
	ld8 r19 = [r18]
	;;
	adds r19 = 1, r19
	mov r20 = CALLS_TO_DO
	;;
	st8 [r18] = r19
	cmp.eq p6, p0 = r19, r20
(p6)	br.cond.spnt.few done
	;;
	br.sptk.many switch
	.org 0x3000

/* The timer. */
	MOV_FROM_IVR(r16, r17)
	movl r18 = TICKS
	;;
	ld8 r19 = [r18]
	;;
	adds r19 = 1, r19
	;;
	st8 [r18] = r19
	srlz.d
	;;
	MOV_TO_EOI(p0, r0, r17)
	;;
	RFI
	;;

/* Saves the task that called behind its `break', in slot 1, and goes on with the next. */
switch:
	MOV_FROM_IIP(r20)
	MOV_FROM_IPSR(p0, r21)
	movl r22 = CURRENT_TASK
	movl r23 = TASKS
	mov r24 = 1
	;;
	dep r21 = r24, r21, PSR_RI_BIT, 2
	ld8 r25 = [r22]				// its number
	;;
	shl r26 = r25, TASK_SHIFT
	adds r25 = 1, r25
	;;
	add r26 = r23, r26
	cmp.eq p6, p0 = 3, r25
	;;
	st8 [r26] = r20, TASK_PSR - TASK_IP
(p6)	mov r25 = r0
	;;
	st8 [r26] = r21, TASK_LETTER - TASK_PSR
	st8 [r22] = r25
	shl r27 = r25, TASK_SHIFT
	;;
	st8 [r26] = r14
	add r27 = r23, r27
	;;
	ld8 r20 = [r27], TASK_PSR - TASK_IP
	;;
	ld8 r21 = [r27], TASK_LETTER - TASK_PSR
	;;
	ld8 r14 = [r27]
	mov pr = r31, -1
	;;
	MOV_TO_IIP(r20, r22)
	MOV_TO_IPSR(p0, r21, r22)
	;;
	RFI
	;;

done:
	mov r15 = '\n'
	PUT_CHARACTER(r15, r18, r19)
halt:
	nop 0
	;;
	br.sptk.few halt
	;;
wrong:
	nop 0
	;;
	br.sptk.few wrong
	.org 0x8000
