/* Names and places of the kernel in small. */
#define CONSOLE			0x3000000	/* what is printed, a byte a character */
#define CURSOR			0x3001000	/* where the next character goes */
#define TICKS			0x3001008
#define CALLS			0x3001010
#define CURRENT_TASK		0x3001018
#define TASKS			0x3001020

#define TASK_IP			0
#define TASK_PSR		8
#define TASK_LETTER		16
#define TASK_BYTES		32
#define TASK_SHIFT		5

#define TIMER_VECTOR		0xef
#define TIMER_TICKS		500
#define SYSTEM_CALL		0x100000
#define CALLS_TO_DO		100

#define PSR_RI_BIT		41
#define USER_PSR		0x101308026000	/* ic, i, dt, rt, it, bank 1, level 3 */
#define VALID_FRAME		0x8000000000000000

#define XEN_HYPERCALL		0x1000
#define XEN_SET_SHARED_PAGE	0x600
#define XEN_SHARED_PAGE		0xfffffffffff00000

/* Prints the character in a register. */
#define PUT_CHARACTER(reg, clob0, clob1)	\
	movl clob0 = CURSOR;;			\
	ld8 clob1 = [clob0];;			\
	st1 [clob1] = reg, 1;;			\
	st8 [clob0] = clob1;;
