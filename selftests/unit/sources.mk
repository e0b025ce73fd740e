# SPDX-License-Identifier: GPL-2.0-only
# NAME.src: what test_NAME.c is linked with, from the top of the tree. One line per test program.
pgtable.src := kmod/mmu/pgtable.c
memslot.src := kmod/memslot.c
iobus.src := kmod/iobus.c
decode.src := kmod/x86/decode.c
emulate.src := kmod/x86/emulate.c kmod/x86/decode.c
walk.src := kmod/x86/walk.c
cpuid.src := kmod/x86/cpuid.c
irqchip := $(addprefix kmod/irq/,irqchip.c routing.c ack.c apic_msg.c pic.c ioapic.c pit.c lapic.c lapic_access.c lapic_state.c lapic_timer.c)
irqchip.src := $(irqchip)
lapic.src := $(irqchip)
lapic_timer.src := $(irqchip)
ioapic.src := $(irqchip)
pic.src := $(irqchip)
pit.src := $(irqchip)
routing.src := $(irqchip)
cmdline.src := $(addprefix launcher/,config/schema.c config/value.c config/args.c error.c)
boot.src := $(addprefix launcher/,boot/bzimage.c boot/e820.c boot/entry.c machine/memory.c host/file.c error.c)
acpi.src := launcher/boot/acpi.c
bus.src := launcher/device/bus.c
serial.src := launcher/device/serial.c
console.src := launcher/device/console.c launcher/device/serial.c
rtc.src := launcher/device/rtc.c
i8042.src := launcher/device/i8042.c
acpi_pm.src := launcher/device/acpi_pm.c
topology.src := launcher/machine/cpuid.c
file.src := launcher/host/file.c launcher/error.c
