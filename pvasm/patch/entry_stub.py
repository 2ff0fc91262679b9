"""The way into a kernel for a hypervisor: an entry that says which one it is, and its set-up hook, to begin with."""

from __future__ import annotations

from pvasm.errors import PvasmError
from pvasm.paravirt.instance import Instance

_STUB = """\
/*
 * Where {name} enters a kernel that is one binary for several instances (sample_S/head.S). The hook is place {type} of
 * the table `setup_hooks'; make that longer, and HYPERVISORS with it. What else {name} wants set up comes first in the
 * hook: nothing that is patched may run before.
 */
	.text
	.global {label}
{label}:
	movl r14 = hypervisor_type
	mov r15 = {type}
	;;
	st8 [r14] = r15
	br.sptk.many _start
	;;

	.global {hook}
	.proc {hook}
{hook}:
	.prologue
	.regstk 0, 2, 3, 0
	.save ar.pfs, loc0
	alloc loc0 = ar.pfs, 0, 2, 3, 0
	.save rp, loc1
	mov loc1 = b0
	.body
	movl out0 = pv_records
	movl out1 = pv_records_end
	movl out2 = .Linstance
	;;
	br.call.sptk.many b0 = pv_patch
	;;
	cmp.gt p6, p0 = 0, r8			// refused
(p6)	br.cond.spnt.few hypervisor_unknown
	;;
	br.call.sptk.many b0 = {prefix}_setup_pv_ops
	;;
	mov ar.pfs = loc0
	mov b0 = loc1
	br.ret.sptk.many b0
	;;
	.endp {hook}

	.section .rodata, "a", "progbits"
.Linstance:
	stringz "{name}"
"""


def entry_stub(instance: Instance) -> str:
    """The assembly of an instance's entry and hook.

    Raises PvasmError for one that has none of its own, and where two symbols would have one name.
    """
    entry = instance.entry
    if entry is None or entry.type == 0:
        due = "entry: {label: startup_x, type: 2, hook: x_setup_hook}"
        raise PvasmError(
            f"{instance.name} enters as bare hardware does: an entry of its own is due ({due})", instance.path
        )
    prefix = instance.name.replace("-", "_")
    text = _STUB.format(name=instance.name, label=entry.label, type=entry.type, hook=entry.hook, prefix=prefix)
    others = _STUB.partition("*/")[2].format(name="", label="", type="", hook="", prefix=prefix).split()
    for each in (entry.label, entry.hook):
        if each in others:
            raise PvasmError(f"entry: {each} means something else in the kernel's entries", instance.path)
    return text
