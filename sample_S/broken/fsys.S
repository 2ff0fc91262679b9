/*
 * fsys.S with breakages: a line with "broken:" names the codes that a checker must give for that line, and every other line
 * must get none.
 */
#include "sample.h"

#define EFAULT		14
#define EINVAL		22

/* The page that time-keeping shares with these functions. */
#define CLOCK_SEQUENCE	0
#define CLOCK_CYCLES	8
#define CLOCK_BASE	16
#define CLOCK_FACTOR	24
#define CLOCK_SHIFT	20

/* An instruction that hides behind a name is one all the same. */
#define READ_COUNTER(reg)	mov.m reg = ar.itc	/* broken: PV001 the definition is where it stands */
#define INTERRUPTS_ON		ssm psr.i		/* broken: PV002 the same */
#define COVER_ALL		COVER			/* an op behind a name is fine */
#define WITH_FRAME(insn, save)	insn; save

#define RETURN_TO_CALLER	br.ret.sptk.many b6

	.section .fixups, "a"
	.text

/* r8 = the process id. A traced task takes the long way, so that its tracer sees the call. */
FUNCTION(fsys_process_id)
	.prologue
	.altrp b6
	.body
	add r17 = TASK_FLAGS, r16
	add r18 = TASK_PID, r16
	;;
	ld4 r17 = [r17]
	ld4 r8 = [r18]
	mov r10 = r0
	;;
	tbit.nz p8, p0 = r17, TASK_TRACED_BIT
(p8)	br.cond.spnt.few paravirt_fsys_bubble_down
	RETURN_TO_CALLER
FUNCTION_END(fsys_process_id)

/*
 * *r32 = nanoseconds. The kernel's clock ticks while it is read, so: read the sequence, compute, read it again. The raw
 * counter is "mov = ar.itc", which a guest may not read at its own rate.
 */
FUNCTION(fsys_clock)
	.prologue
	.altrp b6
	.body
	movl r20 = clock_page
	tnat.nz p6, p0 = r32			// a NaT argument
	tbit.nz p7, p0 = r32, 0
	;;
	add r21 = CLOCK_CYCLES, r20
	add r22 = CLOCK_BASE, r20
	add r23 = CLOCK_FACTOR, r20
(p6)	br.cond.spnt.few .Lbad_argument
(p7)	br.cond.spnt.few .Lbad_argument
	;;
.Lagain:
	ld4.acq r28 = [r20]
	;;
	tbit.nz p9, p8 = r28, 0			// odd: an update is under way (p8: it is not)
	.pred.rel "mutex", p8, p9
	;;
	READ_COUNTER(r2)
	;;
(p8)	ld8 r24 = [r21]
	ld8 r25 = [r22]
	ld8 r26 = [r23]
	;;
(p8)	sub r2 = r2, r24
	setf.sig f8 = r26
	;;
	setf.sig f7 = r2
	;;
	xmpy.hu f7 = f7, f8
	;;
	getf.sig r2 = f7
	mf
	;;
	ld4 r29 = [r20]
	shr.u r2 = r2, CLOCK_SHIFT
(p9)	br.cond.spnt.few .Lagain
	;;
	add r2 = r2, r25
	cmp4.ne p6, p0 = r28, r29
(p6)	br.cond.dpnt.few .Lagain
	;;
	MAY_FAULT(.Lbad_address, st8 [r32] = r2)
	;;
	MAY_FAULT(.Lbad_address, fc r32)	/* broken: PV001 a macro's argument */
	mov r8 = r0
	mov r10 = r0
	RETURN_TO_CALLER
.Lbad_argument:
	mov r8 = EINVAL
	mov r10 = -1
	RETURN_TO_CALLER
.Lbad_address:
	mov r8 = EFAULT
	mov r10 = -1
	RETURN_TO_CALLER
FUNCTION_END(fsys_clock)

/* r8 = the processor this runs on, true for a moment at least: no interrupt moves the task between the two loads. */
FUNCTION(fsys_processor)
	.prologue
	.altrp b6
	.body
	add r17 = TASK_FLAGS, r16
	;;
	ld4 r17 = [r17]
	;;
	and r17 = TASK_WORK_MASK, r17
	;;
	cmp4.ne p8, p9 = r0, r17
(p8)	br.cond.spnt.few paravirt_fsys_bubble_down
	;;
(p9)	rsm psr.i /* broken: PV002 */ ;;
	;;
	srlz.d
	mov r20 = IA64_KR(PER_CPU_DATA)
	;;
	ld4 r8 = [r20]
	mov r10 = r0
	mov r20 = r0
	;;
	mov r21 = cpuid[r20]			/* broken: PV001 an indexed register */
	;;
	mov r22 = pmd[r20]			/* broken: PV001 reads 0 where it may not be read */
	;;
(p9)	ssm 0x4000				/* broken: PV002 psr.i by its number */
	;;
	RETURN_TO_CALLER
FUNCTION_END(fsys_processor)

/*
 * A call that has no light-weight form. Make it look as if `break` had interrupted the caller: r29 its psr, r28 its ip,
 * r30 its frame marker, r27 ar.rsc, r26 ar.pfs, and then go where `break` goes. Little-endian from here on, interrupts off.
 */
FUNCTION(paravirt_fsys_bubble_down)
	.prologue
	.altrp b6
	.body
	mov r29=psr				/* broken: PV002 */
	mov r27 = ar.rsc
	;;
	rsm psr.be | psr.i			/* broken: PV002 two bits */
	mov r26 = ar.pfs
	mov r28 = b6
	;;
	srlz.d
	dep r29 = -1, r29, PSR_CPL_BIT, 2	// user code ran at level 3, with interrupts on
	;;
	dep r29 = -1, r29, PSR_I_BIT, 1
	movl r17 = PSR_SAFE_MASK
	;;
	and r29 = r29, r17
	mov r31 = pr
	dep r30 = -1, r0, 63, 1			// a valid frame, of no registers: br.call has set ar.pfs
	;;
#ifdef __IA64_ASM_PARAVIRTUALIZED_NATIVE
	/* Floating-point registers at once; a guest leaves them to its hypervisor, which loads them when they are used. */
	rsm psr.dfh
	;;
	srlz.d
	cover					// native alone: no breakage
	;;
#else
	WITH_FRAME(cover;;, mov r30 = cr.ifs)	/* broken: PV001 PV003 two arguments, and not for native */
	;;
#endif
	br.sptk.many enter_syscall
FUNCTION_END(paravirt_fsys_bubble_down)

/* psr bits that user code may have set: be, up, ac, mfl, mfh, ic, i, pk, dt, dfl, dfh, rt, cpl, it. */
PSR_SAFE_MASK = 0x00000013080ee03e

/* Names only: a label, a branch to it, a comment that says fc. */
fc:	nop.m 0
	br.cond.sptk.few fc
	;;

	.section .rodata.fsys, "a"
	.align 8
	.global paravirt_fsyscall_table
paravirt_fsyscall_table:
	data8 0					// the long way
	data8 fsys_process_id
	data8 fsys_clock
	data8 fsys_processor
fc_count = (. - paravirt_fsyscall_table) / 8	// entries; named so to catch who matches text
	data8 fc_count
	stringz "ssm psr.i; mov r8 = ar.itc; fc r8"
