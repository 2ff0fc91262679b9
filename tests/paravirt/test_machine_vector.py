"""Machine vectors: what Linux 3.12 has for each platform, and what is said of files and instances that are wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pvasm import data
from pvasm.errors import PvasmError
from pvasm.paravirt.loading import load_catalog
from pvasm.paravirt.machine_vector import (
    load_machine_vector,
    machine_vector_names,
    machine_vectors_for,
    read_machine_vector,
)
from tests.cli.command import pvasm

CATALOG = load_catalog()

# struct ia64_machine_vector of Linux 3.12's asm/machvec.h, in order.
MEMBERS = (
    *("setup", "cpu_init", "irq_init", "send_ipi", "timer_interrupt", "global_tlb_purge", "tlb_migrate_finish"),
    *("dma_init", "dma_get_required_mask", "dma_get_ops", "irq_to_vector", "local_vector_to_irq"),
    *("pci_get_legacy_mem", "pci_legacy_read", "pci_legacy_write"),
    *("inb", "inw", "inl", "outb", "outw", "outl", "mmiowb", "readb", "readw", "readl", "readq"),
    *("readb_relaxed", "readw_relaxed", "readl_relaxed", "readq_relaxed", "migrate"),
    *("setup_msi_irq", "teardown_msi_irq", "pci_fixup_bus", "kernel_launch_event"),
)
# What asm/machvec_NAME.h defines; all else is asm/machvec.h's.
_SN2 = {
    **{name: f"__sn_{name}" for name in MEMBERS if name.startswith(("in", "out", "read", "mmiowb"))},
    **{name: f"sn_{name}" for name in MEMBERS if not name.startswith(("in", "out", "read", "mmiowb"))},
    "send_ipi": "sn2_send_IPI",
    "global_tlb_purge": "sn2_global_tlb_purge",
}
OWN = {
    "dig": {"setup": "dig_setup"},
    "dig_vtd": {"setup": "dig_setup", "dma_init": "pci_iommu_alloc"},
    "hpzx1": {"setup": "dig_setup", "dma_init": "sba_dma_init"},
    "hpzx1_swiotlb": {"setup": "dig_setup", "dma_init": "machvec_noop", "dma_get_ops": "hwsw_dma_get_ops"},
    "sn2": {name: function for name, function in _SN2.items() if name != "dma_get_ops"},
    "uv": {"setup": "uv_setup"},
    "hpsim": {"setup": "hpsim_setup", "irq_init": "hpsim_irq_init"},
    "xen": {
        "setup": "dig_setup",
        "cpu_init": "xen_cpu_init",
        "irq_init": "xen_irq_init",
        "send_ipi": "xen_platform_send_ipi",
    },
}


def test_the_vectors_are_linuxs() -> None:
    assert machine_vector_names() == sorted(OWN)
    assert tuple(CATALOG.machine_vector) == MEMBERS
    for name, own in OWN.items():
        vector = load_machine_vector(name, CATALOG)
        assert vector is not None
        assert vector.members == own
    assert load_machine_vector("mine", CATALOG) is None
    assert load_machine_vector("../ops", CATALOG) is None


def test_what_serves_a_member_that_the_platform_has_not() -> None:
    dig = load_machine_vector("dig", CATALOG)
    assert dig is not None
    assert dig.server("setup", CATALOG) == "dig_setup"
    assert dig.server("send_ipi", CATALOG) == "ia64_send_ipi"
    assert dig.server("setup_msi_irq", CATALOG) is None


def test_where_they_work() -> None:
    others = [name for name in sorted(OWN) if name != "xen"]
    due = {"hardware": others, "trap": others, "xen": ["xen"], "mine.yaml": []}
    assert {environment: machine_vectors_for(environment, CATALOG) for environment in due} == due


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("setup:", "set_up:", ":14:3: members.set_up: no such member in the catalog (did you mean setup?)"),
        ("dig_setup", "dig-setup", ":14:3: members.setup: 'dig-setup' is no C function's name"),
        ("dig_setup", "return", ":14:3: members.setup: 'return' is no C function's name"),
        ("name: dig", "name: gid", ":9:7: name: the file is called dig"),
        ("environments:", "environment:", ":11:1: unknown key environment (did you mean environments?); known are "
         "name, description, environments, members"),
    ],
)  # fmt: skip
def test_a_file_that_is_wrong(old: str, new: str, message: str, tmp_path: Path) -> None:
    text = Path(data.machine_vector_file("dig")).read_text()
    head, _, body = text.partition("name: dig")
    path = tmp_path / "dig.yaml"
    path.write_text(head + f"name: dig{body}".replace(old, new))
    with pytest.raises(PvasmError) as raised:
        read_machine_vector(path, CATALOG)
    assert str(raised.value) == f"{path}{message}"


def test_show_tells_who_serves_each_member() -> None:
    shown = pvasm("instance", "show", "xen").output
    assert "\nMachine vector xen: A guest of Xen\n  setup                  = dig_setup\n" in shown
    assert "\n  send_ipi               = xen_platform_send_ipi\n" in shown
    assert "\n  timer_interrupt        = machvec_timer_interrupt, Linux's own\n" in shown
    assert "\n  setup_msi_irq          = null: nothing serves it\n" in shown
    line = "Machine vector: what the platform has: dig, dig_vtd, hpsim, hpzx1, hpzx1_swiotlb, sn2, uv"
    assert f"\n{line}\n" in pvasm("instance", "show", "native").output


def test_show_tells_whose_a_member_of_a_table_is(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "name: mine\ndescription: A test\nextends: hvm\nmachine_vector: mine\n"
        "tables: {pv_irq_ops: {resend_irq: again}}\n"
    )
    shown = pvasm("instance", "show", "mine.yaml", cwd=tmp_path).output
    assert "\nMachine vector mine: no file tells of its members\n" in shown
    assert "\n  pv_info.kernel_rpl                         = 0, native's\n" in shown
    assert "\n  pv_info.name                               = full virtualization, hvm's\n" in shown
    assert "\n  pv_irq_ops.resend_irq                      = again\n" in shown
    shown = pvasm("instance", "show", "mine.yaml", "--format", "json", cwd=tmp_path).output
    found = json.loads(shown)
    assert found["table_origins"]["pv_info.name"] == "hvm"
    assert found["table_origins"]["pv_irq_ops.resend_irq"] == "mine"
    assert found["machine_vector_members"] is None
    members = json.loads(pvasm("instance", "show", "hvm", "--format", "json").output)["machine_vector_members"]
    assert tuple(members) == MEMBERS
    assert members["setup"] == {"function": "dig_setup", "own": True}
    assert members["irq_init"] == {"function": "machvec_noop", "own": False}


def test_an_environment_of_ones_own_contradicts_no_vector(tmp_path: Path) -> None:
    """What such an environment has, pvasm cannot tell: nothing is said, where for `trap' PV510 is."""
    text = "name: mine\ndescription: A test\nextends: xen\nenvironment: {}\n"
    (tmp_path / "host.yaml").write_text("description: A test\n")
    for environment, codes in (("host.yaml", 0), ("trap", 1)):
        (tmp_path / "mine.yaml").write_text(text.format(environment))
        assert pvasm("check", "mine.yaml", cwd=tmp_path).output.count("PV510") == codes
