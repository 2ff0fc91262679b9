/* What the sample files share: names, offsets and a few short macros. Assembly only. */
#ifndef SAMPLE_H
#define SAMPLE_H

/* One source, one symbol an instance: the build chooses the instance with a -D. */
#if defined(__IA64_ASM_PARAVIRTUALIZED_XEN)
# define INSTANCE_SYMBOL(name)	xen_##name
# define ia64_ivt		xen_ivt
#elif defined(__IA64_ASM_PARAVIRTUALIZED_TRAP)
# define INSTANCE_SYMBOL(name)	trap_##name
# define ia64_ivt		trap_ivt
#else
# define INSTANCE_SYMBOL(name)	ia64_native_##name
#endif

#define __paravirt_switch_to		INSTANCE_SYMBOL(switch_to)
#define __paravirt_leave_syscall	INSTANCE_SYMBOL(leave_syscall)
#define __paravirt_leave_kernel		INSTANCE_SYMBOL(leave_kernel)
#define paravirt_fsys_bubble_down	INSTANCE_SYMBOL(fsys_bubble_down)
#define paravirt_fsyscall_table		INSTANCE_SYMBOL(fsyscall_table)

/*
 * The frame marker of the interrupted code, once the frame is covered. Bare hardware has it in cr.ifs; a Xen guest reads
 * what its hypervisor wrote to the shared page, for others that read traps. Linux has no op for this one, so each says it
 * in its own words.
 */
#ifdef __IA64_ASM_PARAVIRTUALIZED_XEN
# define SHARED_IFS	0xfffffffffff048b8
# define READ_IFS(reg)	movl reg = SHARED_IFS;; ld8 reg = [reg]
#else
# define READ_IFS(reg)	mov reg = cr.ifs	/* pvasm: ignore[PV003] it may trap */
#endif

/* The kernel registers, by what they hold. */
#ifndef IA64_KR
# define SAMPLE_KR_IO_BASE		ar.k0
# define SAMPLE_KR_TSSD			ar.k1
# define SAMPLE_KR_PER_CPU_DATA		ar.k3
# define SAMPLE_KR_CURRENT_STACK	ar.k4
# define SAMPLE_KR_FPU_OWNER		ar.k5
# define SAMPLE_KR_CURRENT		ar.k6
# define SAMPLE_KR_PT_BASE		ar.k7
# define IA64_KR(name)			SAMPLE_KR_##name
#endif

/* Always on in this kernel, besides psr.ic: alignment checks. */
#ifndef PSR_DEFAULT_BITS
# define PSR_DEFAULT_BITS	psr.ac
#endif

#define PSR_BE_BIT	1
#define PSR_I_BIT	14
#define PSR_CPL_BIT	32
#define PSR_RI_BIT	41
#define PSR_ED_BIT	43

#define ISR_CODE_BITS	4
#define ISR_X_BIT	32
#define ISR_SP_BIT	34
#define ISR_NA_BIT	35

/* Translations: 16 KiB pages, three levels of 2048 entries, the bits of an entry. */
#define PAGE_BITS	14
#define LEVEL_BITS	11
#define PTE_PRESENT_BIT	0
#define PTE_ACCESSED	0x20
#define PTE_DIRTY	0x40
#define PTE_KERNEL	0x661		/* present, write-back, accessed, dirty, level 0, read/write/execute */
#define GRANULE_BITS	24
#define KERNEL_REGION	7

/* `break` immediates that user code may use. */
#define BREAK_SYSCALL	0x80000
#define BREAK_DEBUG	0x80001

/* A task. */
#define TASK_KSP	0
#define TASK_FLAGS	8
#define TASK_PID	12
#define TASK_STACK_PA	16
#define TASK_LAST_EXIT	24
#define TASK_BYTES	64
#define TASK_WORK_MASK	0x7
#define TASK_TRACED_BIT	0
#define STACK_BYTES	32768
#define STACK_TR	2

/* What an interruption leaves on the kernel stack, above 16 bytes of scratch. */
#define FRAME_IPSR	16
#define FRAME_IIP	24
#define FRAME_IFS	32
#define FRAME_RSC	40
#define FRAME_PFS	48
#define FRAME_UNAT	56
#define FRAME_PR	64
#define FRAME_B0	72
#define FRAME_RNAT	80
#define FRAME_BSPSTORE	88
#define FRAME_LOADRS	96
#define FRAME_NATS	104
#define FRAME_R1	112
#define FRAME_R2	120
#define FRAME_R3	128
#define FRAME_R8	136
#define FRAME_R9	144
#define FRAME_R10	152
#define FRAME_R11	160
#define FRAME_R12	168
#define FRAME_R13	176
#define FRAME_R14	184
#define FRAME_R15	192
#define FRAME_R16	200		/* r16 to r31 follow one another */
#define FRAME_R17	208
#define FRAME_BYTES	336

/* Predicates with a meaning that outlives a few lines. */
#define pUser	p14			/* the interrupted code ran at a lower privilege */
#define pKernel	p15			/* it was the kernel itself */

#define FUNCTION(name)		\
	.align 32;		\
	.global name;		\
	.proc name;		\
name:

#define FUNCTION_END(name)	\
	.endp name

/* An interruption vector at its architected distance from the start of the table. */
#define VECTOR(name, distance)	\
	.org ia64_ivt + distance;	\
name:

/* `insn` may fault; when it does, go on at `target`. The tag names the very slot. */
#define MAY_FAULT(target, insn...)			\
[77:]	insn;						\
	.xdata4 ".fixups", 77b - ., target - .

#endif
