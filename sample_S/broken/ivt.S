/*
 * ivt.S with breakages: a line with "broken:" names the codes that a checker must give for that line, and every other line
 * must get none. The words thash, cover, rfi and ssm psr.i in this comment are words.
 */
#include "sample.h"

/*
 * entry = physical address of the page table entry for address `fault`; p6 is set when there is none (p7 is its
 * complement). Data translation is off: the tables link to one another by physical address.
 */
#define WALK_PAGE_TABLE(fault, entry, high, low)			\
	mov entry = IA64_KR(PT_BASE);					\
	extr.u high = fault, PAGE_BITS + 2 * LEVEL_BITS, LEVEL_BITS;	\
	extr.u low = fault, PAGE_BITS + LEVEL_BITS, LEVEL_BITS;;	\
	shladd entry = high, 3, entry;;					\
	ld8 entry = [entry];						\
	extr.u high = fault, PAGE_BITS, LEVEL_BITS;;			\
	cmp.eq p6, p7 = r0, entry;					\
	shladd entry = low, 3, entry;;					\
(p7)	ld8 entry = [entry];;						\
(p7)	cmp.eq p6, p7 = r0, entry;					\
	shladd entry = high, 3, entry;;

/* Who was interrupted, and where: the three registers that every frame starts with. */
#define READ_INTERRUPTED(psr_reg, ip_reg)	\
	MOV_FROM_IPSR(p0, psr_reg);		\
	MOV_FROM_IIP(ip_reg);;			\
	cover;;		/* broken: PV001 inside a #define */	\
	READ_IFS(r30)

/*
 * Save the interrupted state in a frame on the kernel stack; afterwards bank 1 is in use, collection is on, sp and r13
 * (the task) are the kernel's, and interrupts are as they were. r19 travels through: it comes out in r15.
 */
#define SAVE_STATE							\
	mov r31 = pr;							\
	mov r27 = ar.rsc;						\
	mov r26 = ar.pfs;						\
	mov r25 = ar.unat;						\
	mov r24 = b0;							\
	mov r23 = sp;							\
	mov r22 = IA64_KR(CURRENT);;					\
	READ_INTERRUPTED(r29, r28);;	/* COVER is in there */		\
	extr.u r17 = r29, PSR_CPL_BIT, 2;				\
	mov ar.rsc = 0;;						\
	cmp.ne pUser, pKernel = r0, r17;				\
	mov r21 = ar.rnat;						\
	mov r20 = ar.bspstore;;						\
(pUser)	adds r16 = TASK_BYTES, r22;	/* the kernel's register stack starts above the task */	\
(pUser)	mov r18 = STACK_BYTES;;						\
(pUser)	mov ar.bspstore = r16;						\
(pUser)	add sp = r18, r22;;						\
	mov r18 = ar.bsp;;						\
(pUser)	sub r18 = r18, r16;						\
	adds r16 = FRAME_IPSR - FRAME_BYTES, sp;			\
	adds r17 = FRAME_IIP - FRAME_BYTES, sp;				\
	adds sp = -FRAME_BYTES, sp;;					\
	st8 [r16] = r29, FRAME_IFS - FRAME_IPSR;			\
	st8 [r17] = r28, FRAME_RSC - FRAME_IIP;				\
(pUser)	shl r18 = r18, 16;;						\
	st8 [r16] = r30, FRAME_PFS - FRAME_IFS;				\
	st8 [r17] = r27, FRAME_UNAT - FRAME_RSC;;			\
	st8 [r16] = r26, FRAME_PR - FRAME_PFS;				\
	st8 [r17] = r25, FRAME_B0 - FRAME_UNAT;;			\
	st8 [r16] = r31, FRAME_RNAT - FRAME_PR;				\
	st8 [r17] = r24, FRAME_BSPSTORE - FRAME_B0;;			\
	st8 [r16] = r21, FRAME_LOADRS - FRAME_RNAT;			\
	st8 [r17] = r20, FRAME_R1 - FRAME_BSPSTORE;;			\
	st8 [r16] = r18, FRAME_R2 - FRAME_LOADRS;			\
	.mem.offset 0, 0;						\
	st8.spill [r17] = r1, FRAME_R3 - FRAME_R1;;			\
	.mem.offset 8, 0;						\
	st8.spill [r16] = r2, FRAME_R8 - FRAME_R2;			\
	.mem.offset 16, 0;						\
	st8.spill [r17] = r3, FRAME_R9 - FRAME_R3;;			\
	.mem.offset 24, 0;						\
	st8.spill [r16] = r8, FRAME_R10 - FRAME_R8;			\
	.mem.offset 32, 0;						\
	st8.spill [r17] = r9, FRAME_R11 - FRAME_R9;;			\
	.mem.offset 40, 0;						\
	st8.spill [r16] = r10, FRAME_R12 - FRAME_R10;			\
	.mem.offset 48, 0;						\
	st8.spill [r17] = r11, FRAME_R13 - FRAME_R11;;			\
	st8 [r16] = r23, FRAME_R14 - FRAME_R12;				\
	.mem.offset 64, 0;						\
	st8.spill [r17] = r13, FRAME_R15 - FRAME_R13;;			\
	.mem.offset 72, 0;						\
	st8.spill [r16] = r14;						\
	.mem.offset 80, 0;						\
	st8.spill [r17] = r15;						\
	mov ar.rsc = 3;;						\
	mov r13 = r22; MOV_FROM_ISR(r10);				\
	mov r15 = r19; MOV_FROM_IFA(r11);				\
	tbit.nz p6, p0 = r29, PSR_I_BIT;;				\
	ssm psr.ic | PSR_DEFAULT_BITS;; srlz.i;;		/* broken: PV002 inside a longer #define */ \
	bsw.1;;					/* broken: PV002 and once more in it */ \
(p6)	ssm psr.i;;				/* broken: PV002 and predicated */ \
	adds r2 = FRAME_R16, sp;					\
	adds r3 = FRAME_R17, sp;;

/* The other half of the general registers, from bank 1, two at a time. */
	.macro	SPILL_PAIR even, odd
	.mem.offset 0, 0
	st8.spill [r2] = \even, 16
	.mem.offset 8, 0
	st8.spill [r3] = \odd, 16
	;;
	.endm

/* How long the access was, and of which kind: for the handlers that want both. */
	.macro	READ_FAULT address, status
	MOV_FROM_IFA(\address)
	mov \status = cr.isr			/* broken: PV002 in a .macro, with its argument */
	;;
	.endm

	.section .text.ivt, "ax"
	.align 32768
	.global ia64_ivt
ia64_ivt:

/* 0x0000: the hardware walker wanted the VHPT's own page, and the TLB does not have it. Insert two translations. */
VECTOR(vhpt_miss, 0x0000)
	mov r16 = cr.ifa			/* broken: PV002 the op's instruction in its place */
	MOV_FROM_ISR(r22)
	mov r31 = pr
	;;
	MOV_FROM_IHA(r25)			// the VHPT entry that the walker wanted
	MOV_FROM_ITIR(r27)			// ps: the size of the page
	;;
	rsm psr.dt				/* broken: PV002 the op's instruction in its place */
	mov r29 = b0
	;;
	srlz.d
	WALK_PAGE_TABLE(r16, r17, r19, r20)
(p6)	br.cond.spnt.few page_fault
	ld8 r18 = [r17]
	;;
	tbit.z p6, p7 = r18, PTE_PRESENT_BIT
	tbit.nz p10, p11 = r22, ISR_X_BIT	// p10: fetching an instruction
(p6)	br.cond.spnt.few page_fault
	;;
(p10)	itc.i r18; (p11) itc.d r18		/* broken: PV002 PV002 two on one line, both predicated */
	;;
	srlz.d
	;;
	WALK_PAGE_TABLE(r25, r21, r19, r20)	// now the page that the VHPT entry itself is in
(p7)	ld8 r20 = [r21]
	mov r23 = PAGE_BITS << 2
	;;
	MOV_TO_ITIR(p7, r23, r24)
	;;
	MOV_TO_IFA(r25, r24)
	;;
	ITC_D(p7, r20, r24)
	;;
	srlz.d
	;;
	ld8 r26 = [r17]				// did another processor change it meanwhile?
	;;
	cmp.ne p6, p7 = r26, r18
	;;
(p6)	ptc.l r16, r27				/* broken: PV003 no op stands for it */
	;;
	srlz.d
	mov pr = r31, -1
	;;
	RFI

/* 0x0400: no translation for an instruction fetch. */
VECTOR(itlb_miss, 0x0400)
	MOV_FROM_IFA(r16)
	mov r29 = b0				// nested_dtlb_miss may use b0
	mov r31 = pr
	;;
	mov r17 = /* broken: PV002 a comment splits it
	*/ cr.iha				// where the VHPT has it, if it has
	movl r30 = 1f				// and where to go on if that address has no translation
	;;
1:	fc r17					/* broken: PV001 behind a label */
	mov b0 = r29
	;;
	ld8 r18 = [r17]
	;;
	tbit.z p6, p0 = r18, PTE_PRESENT_BIT
(p6)	br.cond.spnt.few page_fault
	;;
	ITC_I(p0, r18, r24)
	;;
	mov pr = r31, -1
	RFI
	;;

/* 0x0800: no translation for a load or store. */
VECTOR(dtlb_miss, 0x0800)
	MOV_FROM_IFA(r16)
	mov r29 = b0
	mov r31 = pr
	;;
	thash r17 = r16 /* broken: PV001 the op's instruction in its place */ // as cr.iha, but this also works for region 5
	movl r30 = .Ldtlb_entry
	;;
.Ldtlb_entry:
	ld8 r18 = [r17]
	mov b0 = r29
	;;
	tbit.z p6, p7 = r18, PTE_PRESENT_BIT
(p6)	br.cond.spnt.few page_fault
	;;
	ITC_D(p7, r18, r24)
	;;
#ifdef __IA64_ASM_PARAVIRTUALIZED_NATIVE
	thash r20 = r16				// bare hardware may look at its own table
	srlz.d
	;;
	lfetch [r20]
#endif
	mov pr = r31, -1
	RFI
	;;

/* 0x0c00: an instruction fetch from the kernel's region, which is mapped one to one. */
VECTOR(alt_itlb_miss, 0x0c00)
	MOV_FROM_IFA(r16)
	mov r29 = b0				// where page_fault looks for it
	mov r31 = pr
	;;
	mov r21 = /* broken: PV002 the line goes on below */ \
		cr.ipsr
	movl r17 = PTE_KERNEL
	shr.u r18 = r16, 61
	dep r19 = 0, r16, 0, PAGE_BITS
	;;
	cmp.ne p6, p0 = KERNEL_REGION, r18
	extr.u r23 = r21, PSR_CPL_BIT, 2
	dep r19 = 0, r19, 50, 14
	;;
	cmp.ne.or.andcm p6, p0 = r0, r23	// user code has no business there
	or r19 = r17, r19
	;;
(p6)	br.cond.spnt.few page_fault
	;;
	ITC_I(p0, r19, r24)
	;;
	mov pr = r31, -1
	RFI
	;;

/* 0x1000: the same for a load or store; a speculative one is deferred instead (ed, "exception deferral"). */
VECTOR(alt_dtlb_miss, 0x1000)
	READ_FAULT r16, r20
	mov r29 = b0
	mov r31 = pr
	MOV_FROM_IPSR(p0, r21)
	;;
	movl r17 = PTE_KERNEL
	shr.u r18 = r16, 61
	;;
	dep r19 = 0, r16, 0, PAGE_BITS
	cmp.ne p8, p0 = KERNEL_REGION, r18
	tbit.nz p6, p7 = r20, ISR_SP_BIT	// p6: ld.s
(p8)	br.cond.spnt.few page_fault
	;;
	dep r19 = 0, r19, 50, 14
	dep r21 = -1, r21, PSR_ED_BIT, 1
	;;
	or r19 = r17, r19
(p6)	mov cr.ipsr = r21			/* broken: PV002 predicated */
	;;
	ITC_D(p7, r19, r18)
	;;
	mov pr = r31, -1
	RFI
	;;

#ifdef SAMPLE_PREFER_CACHE_FLUSH
	fc.i r16				/* broken: PV001 in an #ifdef that nobody seems to set */
# if defined(SAMPLE_NEVER) && !defined(__IA64_ASM_PARAVIRTUALIZED_NATIVE)
	ttag r17 = r16				/* broken: PV001 under two conditions, neither of them "native" */
# endif
#endif

/*
 * 0x1400: a handler of this table touched the VHPT and missed. Nothing was recorded (collection is off), so the handlers
 * agree on this: r16 the first address, r30 where to go on, and from here on r17 is the entry's physical address.
 */
VECTOR(nested_dtlb_miss, 0x1400)
	RSM_PSR_DT
	mov b0 = r30
	;;
	srlz.d
	WALK_PAGE_TABLE(r16, r17, r19, r20)
(p6)	br.cond.spnt.few page_fault
	br.sptk.many b0
	;;

/* 0x2000: a store to a page whose entry has the dirty bit clear. Set it in memory, then insert. */
VECTOR(dirty_bit, 0x2000)
	MOV_FROM_IFA(r16)
	movl r30 = 1f
	mov r31 = pr
	;;
	THASH(p0, r17, r16, r25)
	mov r29 = b0
	mov r28 = ar.ccv
	;;
1:	ld8 r18 = [r17]
	;;
	mov ar.ccv = r18
	or r25 = PTE_DIRTY | PTE_ACCESSED, r18
	tbit.z p7, p6 = r18, PTE_PRESENT_BIT
	;;
(p6)	cmpxchg8.acq r26 = [r17], r25, ar.ccv
	mov r24 = PAGE_BITS << 2
	;;
(p6)	cmp.ne.unc p7, p6 = r26, r18		// somebody was faster: leave it, the access faults again
	;;
	ITC_D(p6, r25, r18)
	;;
(p7)	ptc.l r16, r24				/* broken: PV003 no op stands for it */
	mov b0 = r29
	mov ar.ccv = r28
	;;
	srlz.d
	mov pr = r31, -1
	RFI
	;;

/* 0x2400: an instruction from a page that nobody used since the accessed bit was cleared. */
VECTOR(iaccess_bit, 0x2400)
	MOV_FROM_IFA(r16)
	movl r30 = 1f
	mov r31 = pr
	;;
	THASH(p0, r17, r16, r25)
	mov r29 = b0
	mov r28 = ar.ccv
	;;
1:	ld8 r18 = [r17]
	;;
	mov ar.ccv = r18
	or r25 = PTE_ACCESSED, r18
	tbit.nz p6, p0 = r18, PTE_PRESENT_BIT
	;;
(p6)	cmpxchg8.acq r26 = [r17], r25, ar.ccv
	;;
(p6)	cmp.eq.unc p6, p0 = r26, r18
	;;
	ITC_I(p6, r25, r26)
	mov b0 = r29
	mov ar.ccv = r28
	;;
	mov pr = r31, -1
	RFI
	;;

/* 0x2c00: `break`. A system call, a debugger's mark (skip it), or a fault. */
VECTOR(break_fault, 0x2c00)
	.set .Lunused, 1; mov r17 = cr.iim	/* broken: PV002 behind a directive on its line */
	mov r31 = pr
	movl r18 = BREAK_SYSCALL
	;;
	movl r19 = BREAK_DEBUG
	cmp.eq p6, p0 = r17, r18
	;;
	cmp.eq p7, p0 = r17, r19
	mov r19 = 11				// the vector's number, for handle_fault
(p6)	br.cond.sptk.many enter_syscall
(p7)	br.cond.spnt.few .Lskip_break
	br.cond.spnt.many dispatch_fault
	;;
.Lskip_break:
	mov r29 = cr.ipsr; mov r28 = cr.iip	/* broken: PV002 PV002 two on one line */
	;;
	extr.u r20 = r29, PSR_RI_BIT, 2
	;;
	cmp.eq p6, p7 = 2, r20			// the last slot: on to the next bundle
	adds r20 = 1, r20
	;;
(p6)	adds r28 = 16, r28
(p6)	mov r20 = 0
	;;
	dep r29 = r20, r29, PSR_RI_BIT, 2
	MOV_TO_IIP(r28, r24)
	;;
	MOV_TO_IPSR(p0, r29, r24)
	;;
	mov pr = r31, -1
	RFI
	;;

/* 0x3000: a device wants something. */
VECTOR(external_interrupt, 0x3000)
	mov r19 = r0
	br.sptk.many dispatch_interrupt
	;;

/* The table is full of short code; what needs more room stands behind it. */
	.org ia64_ivt + 0x8000

	.proc page_fault
page_fault:
	// Wherever we come from: translation on again, and cr.iha as C expects it for a data access.
	ssm psr.dt ;; srlz.i			/* broken: PV002 */
	;;
	MOV_FROM_ISR(r22)
	THASH(p0, r17, r16, r24)
	;;
	tbit.z p6, p0 = r22, ISR_X_BIT
	mov b0 = r29
	;;
(p6) mov cr.iha=r17				/* broken: PV002 no blanks */
	mov r19 = 20
	;;
	mov pr = r31, -1			// SAVE_STATE saves it once more
	br.sptk.many dispatch_fault
	.endp page_fault

	.proc dispatch_fault
dispatch_fault:
	.prologue
	.unwabi 3, 'i'
	.body
	SAVE_STATE
	SPILL_PAIR r16, r17
	SPILL_PAIR r18, r19
	SPILL_PAIR r20, r21
	SPILL_PAIR r22, r23
	SPILL_PAIR r24, r25
	SPILL_PAIR r26, r27
	SPILL_PAIR r28, r29
	SPILL_PAIR r30, r31
	alloc r14 = ar.pfs, 0, 0, 3, 0
	;;
	mov out0 = r15				// the vector
	mov out1 = r10				// cr.isr
	mov out2 = r11				// cr.ifa
	;;
	mov r9 = ar.unat
	adds r8 = FRAME_NATS, sp
	movl r14 = __paravirt_leave_kernel
	;;
	st8 [r8] = r9
	mov b0 = r14
	movl gp = __gp
	;;
{ .mib
	mov.m r14 = ar.itc			/* broken: PV001 in a bundle, with its unit spelled out */
	nop.i 0
	br.sptk.many handle_fault		// returns to __paravirt_leave_kernel
	;;
}
	.endp dispatch_fault

	.proc dispatch_interrupt
dispatch_interrupt:
	.prologue
	.unwabi 3, 'i'
	.body
	SAVE_STATE
	SPILL_PAIR r16, r17
	SPILL_PAIR r18, r19
	SPILL_PAIR r20, r21
	SPILL_PAIR r22, r23
	SPILL_PAIR r24, r25
	SPILL_PAIR r26, r27
	SPILL_PAIR r28, r29
	SPILL_PAIR r30, r31
	alloc r14 = ar.pfs, 0, 0, 2, 0
	;;
	mov	r8	=	cr.ivr		/* broken: PV002 */ // reading it acknowledges the interrupt
	;;
	mov out0 = r8
	adds out1 = 16, sp
	movl r14 = __paravirt_leave_kernel
	;;
	adds r8 = FRAME_NATS, sp
	mov r9 = ar.unat
	movl gp = __gp
	;;
	st8 [r8] = r9
	mov b0 = r14
	br.sptk.many handle_interrupt
	;;
	.endp dispatch_interrupt

	.section .rodata.ivt, "a"
	.align 8
ivt_names:
	stringz "vhpt miss; itlb miss; dtlb miss (by thash)"
	stringz "dirty bit; break; rfi \"and out\""
thash_done:
	data8 thash_done, cover_count
cover_count:
	data8 0					// a symbol that only looks like an instruction
