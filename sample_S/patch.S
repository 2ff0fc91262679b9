/* pvasm: ignore-file[PV001] it runs before any code is in its place; fc.i is right by addresses of the guest's own */
/*
 * Puts an instance's code in its places, at boot: what `pvasm patch' does ahead of time (`pvasm expand
 * --single-binary' makes the records).
 *
 *	long pv_patch(const struct record *from, const struct record *to, const char *instance)
 *
 * returns how many sites it has patched, or -1 for a branch that would not reach; sites before that one are patched.
 * It runs with interrupts off, before what it patches runs, by addresses at which code can be written. Another
 * processor may look on: while a site is being written, its first bundle branches to itself, so that whoever comes
 * there waits. Nobody may be inside of a site. Native code, which stands there at boot, it leaves as it is, and so the
 * sites for which an instance has no record: for `native' it returns 0. Its copies are not to be run elsewhere.
 *
 * A record (24 bytes): where the site is, its length, where the instance's name is, where the replacement is, its
 * length, flags. Places are distances from the word that holds them.
 */

BRANCH = 1			// a flag: the replacement is a bundle that branches elsewhere, by slot 2 or brl
COPY_BIT = 1			// a flag's bit: the replacement is a copy of native code, whose branches go astray here
CALL_BIT = 2			// a flag's bit: so does its last bundle
RECORD = 24

	.text
	.global pv_patch
	.proc pv_patch
pv_patch:
	.prologue
	.save ar.pfs, r9
	alloc r9 = ar.pfs, 3, 0, 0, 0
	.body
	mov r8 = 0
	;;
.Lrecord:
	cmp.geu p6, p0 = in0, in1
(p6)	br.ret.spnt.many b0
	;;
	adds r14 = 8, in0
	adds r15 = 12, in0
	adds r16 = 4, in0
	;;
	ld4 r17 = [in0]			// the site,
	ld4 r18 = [r16]			// its length,
	ld4 r19 = [r14]			// the name,
	ld4 r20 = [r15]			// the replacement,
	adds r16 = 16, in0
	adds r21 = 20, in0
	;;
	ld4 r22 = [r16]			// its length,
	ld4 r23 = [r21]			// flags
	sxt4 r17 = r17
	sxt4 r19 = r19
	sxt4 r20 = r20
	mov r24 = in2
	;;
	add r17 = r17, in0
	add r19 = r19, r14
	add r20 = r20, r15
	adds in0 = RECORD, in0
	tbit.nz p6, p0 = r23, COPY_BIT
	;;
(p6)	br.cond.sptk.few .Lrecord
.Lname:					// is it the instance's name?
	ld1 r25 = [r19], 1
	ld1 r26 = [r24], 1
	;;
	cmp.ne p6, p7 = r25, r26
	cmp.eq p8, p0 = 0, r25
(p6)	br.cond.sptk.few .Lrecord
(p8)	br.cond.sptk.few .Lmatch
	br.cond.sptk.few .Lname
	;;

.Lmatch:
	adds r27 = 8, r20
	adds r28 = 8, r17		// the second half of the site's first bundle
	;;
	ld8 r29 = [r20]			// the replacement's first bundle
	ld8 r30 = [r27]
	tbit.nz p10, p0 = r23, 0	// p10: a branch, behind which stays what stands there
	tbit.nz p11, p0 = r23, CALL_BIT	// p11: a branch in its last bundle
	cmp.ne p9, p0 = 0, r23
	add r3 = r20, r22
	cmp.eq p13, p0 = 16, r22	// p13: its first bundle is the last
	;;
	adds r3 = -8, r3
(p9)	br.cond.spnt.few .Lbranch

.Lwait:					// whoever comes to the site waits from here on
	movl r14 = .Lspin
	;;
	ld8 r15 = [r14]
	;;
	st8 [r17] = r15
	;;
	fc.i r17
	;;
	sync.i
	;;
	mf
	srlz.i
	;;
(p10)	br.cond.spnt.few .Lfirst

	/* The bundles behind the first: the rest of the replacement, then nops. */
	mov r14 = 16			// how far we are
	movl r15 = .Lnop
	movl r16 = .Llast_nop
	;;
.Lbundle:
	cmp.ltu p6, p7 = r14, r18
	add r19 = r14, r20
	add r24 = r14, r17
	adds r31 = 16, r14
	;;
(p7)	br.cond.spnt.few .Lfirst
	cmp.geu p6, p0 = r14, r22	// nothing left of the replacement
	;;
(p6)	mov r19 = r15
	cmp.eq.and p6, p0 = r31, r18	// and the last bundle
	;;
(p6)	mov r19 = r16
	adds r25 = 8, r24
(p11)	cmp.eq.unc p12, p0 = r31, r22	// the bundle whose branch has moved
	;;
	ld8 r26 = [r19], 8
	;;
	ld8 r27 = [r19]
(p12)	mov r26 = r10
	;;
	st8 [r24] = r26
(p12)	mov r27 = r3
	;;
	st8 [r25] = r27
	fc.i r24
	mov r14 = r31
	br.cond.sptk.few .Lbundle
	;;

.Lfirst:				// and last of all the first bundle, its second half before the one that is waited for
	st8 [r28] = r30
	;;
	fc.i r17
	;;
	sync.i
	;;
	mf
	;;
	st8 [r17] = r29
	;;
	fc.i r17
	;;
	sync.i
	;;
	srlz.i
	;;
	adds r8 = 1, r8
	br.cond.sptk.many .Lrecord
	;;

	/*
	 * The branch of the last bundle goes to where it went. Its 21 bits (36 to 55 and 59 of the second half) are bundles;
	 * those of a brl, in a bundle MLX, have 39 between them, from bit 48 of the first half on. In r10 and r3 the halves
	 * as they are at the site.
	 */
.Lbranch:
	adds r14 = -8, r3
	;;
	ld8 r10 = [r14]
	ld8 r3 = [r3]
	sub r14 = r20, r17
	;;
	and r16 = 0x1e, r10		// the template
	shrp r11 = r3, r10, 48
	extr.u r15 = r3, 36, 20
	;;
	cmp.eq p14, p15 = 4, r16	// p14: brl
	extr.u r16 = r3, 59, 1
	shr r14 = r14, 4
	dep.z r24 = r11, 20, 16
	extr.u r11 = r11, 16, 23
	;;
(p14)	or r15 = r15, r24
(p14)	shl r11 = r11, 36
(p14)	shl r16 = r16, 59
(p15)	shl r16 = r16, 20
	;;
(p14)	or r15 = r15, r11
	;;
	or r15 = r15, r16
	;;
(p14)	shl r15 = r15, 4		// its sign to where that of a register is
(p15)	shl r15 = r15, 43
	;;
(p14)	shr r15 = r15, 4
(p15)	shr r15 = r15, 43
	;;
	add r15 = r15, r14
	;;
	shl r16 = r15, 43
	shr.u r11 = r15, 20
	;;
	shr r16 = r16, 43
	;;
(p15)	cmp.ne.unc p6, p0 = r15, r16	// a brl reaches everything
(p14)	dep r10 = r11, r10, 48, 16
(p14)	extr.u r16 = r15, 59, 1
(p15)	extr.u r16 = r15, 20, 1
	movl r24 = 0xfffff << 36 | 1 << 59
	;;
(p6)	mov r8 = -1
(p6)	br.ret.spnt.many b0
	andcm r3 = r3, r24
	extr.u r11 = r15, 36, 23
(p14)	movl r24 = 0x7fffff
	dep.z r15 = r15, 36, 20
	;;
(p14)	andcm r3 = r3, r24
	shl r16 = r16, 59
	;;
(p14)	or r3 = r3, r11
	or r15 = r15, r16
	;;
	or r3 = r3, r15
	;;
(p13)	mov r29 = r10
(p13)	mov r30 = r3
	br.cond.sptk.few .Lwait
	;;
	.endp pv_patch

/* Bundles that are never run here: one that branches to itself, and what fills sites. */
.Lspin:
{ .bbb
	br.cond.sptk.few .Lspin
	nop.b 0
	nop.b 0
}
.Lnop:
{ .mmi
	nop.m 0
	nop.m 0
	nop.i 0
}
.Llast_nop:
{ .mmi
	nop.m 0
	nop.m 0
	nop.i 0 ;;
}
