/* A header written by hand, in the manner of a kernel's. */
#ifndef BY_HAND_H
#define BY_HAND_H

#include "by_hand_pages.h"

#define CALL_STATUS		(CALLS + 2)
#define CALL_KR			(CALLS | 3)
#define GUEST_CALL(number)	break number
#define KR_NUMBER(name)		IA64_KR_##name
#define IA64_KR_IO_BASE		0
#define IA64_KR_TSSD		1
#define IA64_KR_PER_CPU_DATA	3
#define IA64_KR_CURRENT_STACK	4
#define IA64_KR_FPU_OWNER	5
#define IA64_KR_CURRENT		6
#define IA64_KR_PT_BASE		7

#define __paravirt_switch_to	guest_switch_to
#define paravirt_fsyscall_table \
	guest_fsyscall_table

#define MOV_FROM_IFA(r)		\
	movl r = PAGE_IFA;	\
	;;			\
	ld8 r = [r]	/* the word of the page */

#define MOV_FROM_IPSR(when, r)	\
(when)	movl r = PAGE_IPSR	\
	;;			\
(when)	ld8 r = [r]

#define MOV_TO_IFA(r, tmp)		\
	;;				\
	movl tmp = PAGE_IFA ;;		\
	st8 [tmp] = r

	.macro keep_r8 clob
	.ifnc "\clob", "r8"
	mov \clob = r8
	.endif
	.endm

.macro __MOV_FROM_PSR pred, reg, clob
	;;
	.ifc "\reg", "\clob"
		.error "reg and clob are the same"
	.endif
	.ifc "\reg", "r8"
		(\pred)	GUEST_CALL(CALL_STATUS)
		;;
		.exitm
	.endc
	.ifc "\clob", "r8"
		(\pred)GUEST_CALL(CALL_STATUS) ;;
		(\pred)	mov \reg = r8 ;;
		.exitm
	.endif
	(\pred)	mov \clob = r8
	(\pred)	GUEST_CALL(CALL_STATUS)
	;;
	(\pred)	mov \reg = r8
	(\pred)	mov r8 = \clob
	;;
.endm
#define MOV_FROM_PSR(pred, reg, clob)	__MOV_FROM_PSR pred, reg, clob

.macro ____MOV_TO_KR kr, reg, clob0, clob1
	.ifc "\clob1", "r8"
		.error "clob1 must not be r8"
	.endif
	;;
	keep_r8 \clob0
	.ifnc "\reg", "r9"
		.ifnc "\clob1", "r9"
			mov \clob1 = r9
		.endif
		mov r9 = \reg
	.endif
	mov r8 = \kr
	GUEST_CALL(CALL_KR) ;;
	.ifnc "\clob0", "r8"
		mov r8 = \clob0
	.endif
	.ifnc "\reg", "r9"
		.ifnc "\clob1", "r9"
			mov r9 = \clob1
		.endif
	.endif
	;;
.endm

.macro __MOV_TO_KR kr, reg, clob0, clob1
	.if \clob1 == r8
		____MOV_TO_KR \kr, \reg, \clob1, \clob0
	.else
		____MOV_TO_KR \kr, \reg, \clob0, \clob1
	.endif
.endm
#define MOV_TO_KR(kr, reg, clob0, clob1)	__MOV_TO_KR KR_NUMBER(kr), reg, clob0, clob1

#ifdef BIG_ENDIAN_GUEST
#define RSM_PSR_DT	nop 1
#else
#define RSM_PSR_DT	GUEST_CALL(1)
#endif

#define LEAVE		GUEST_CALL(CALLS) ;;
#define RFI		LEAVE
#define COVER		GUEST_CALL(0x3)

#define DO_SAVE_MIN(cover, ifs, extra, work)	\
	mov r27 = ar.rsc;			\
	;;					\
	cover;					\
	ifs; extra;				\
	MOV_FROM_IFA(r20)

#endif
