# SPDX-License-Identifier: GPL-2.0-only
# NAME.src: what test_NAME.c is linked with, from the top of the tree. One line per test program.
pgtable.src := kmod/mmu/pgtable.c
memslot.src := kmod/memslot.c
iobus.src := kmod/iobus.c
decode.src := kmod/x86/decode.c
emulate.src := kmod/x86/emulate.c kmod/x86/decode.c
walk.src := kmod/x86/walk.c
cpuid.src := kmod/x86/cpuid.c
irqchip := $(addprefix kmod/irq/,irqchip.c routing.c apic_msg.c pic.c ioapic.c pit.c lapic.c lapic_timer.c)
lapic.src := $(irqchip)
lapic_timer.src := $(irqchip)
ioapic.src := $(irqchip)
pic.src := $(irqchip)
pit.src := $(irqchip)
routing.src := $(irqchip)
