// SPDX-License-Identifier: GPL-2.0-only
#include "boot/entry.h"

#include <string.h>

#include "machine/layout.h"

#define CR0_PE 0x1ULL
#define CR0_ET 0x10ULL
#define CR0_NE 0x20ULL
#define CR0_PG 0x80000000ULL
#define CR4_PAE 0x20ULL
#define EFER_LME 0x100ULL
#define EFER_LMA 0x400ULL
#define RFLAGS_FIXED 0x2ULL

#define PTE_PRESENT 0x01ULL
#define PTE_WRITE 0x02ULL
#define PTE_ACCESSED 0x20ULL
#define PTE_DIRTY 0x40ULL
#define PTE_HUGE 0x80ULL
#define PTE_TABLE (PTE_PRESENT | PTE_WRITE | PTE_ACCESSED)
#define PTE_PAGE (PTE_TABLE | PTE_DIRTY | PTE_HUGE)

#define PAGE 0x1000ULL
#define ENTRIES 512
#define DIRECTORIES 4 /* of 1 GiB each */

/* __BOOT_CS and __BOOT_DS, as the protocol names them. */
enum { GDT_CODE = 2, GDT_DATA = 3, GDT_TSS = 4, GDT_ENTRIES = 6 };

static const uint64_t gdt[GDT_ENTRIES] = {
	[GDT_CODE] = 0x00af9b000000ffff, /* execute/read, 64-bit, accessed */
	[GDT_DATA] = 0x00cf93000000ffff, /* read/write, flat, accessed */
	[GDT_TSS] = 0x00008b0000000067, /* busy 64-bit TSS at 0; its high half is zero */
};

void entry_prepare_memory(const struct memory *memory)
{
	uint64_t *pml4 = memory_at(memory, LAYOUT_PAGE_TABLES, (2 + DIRECTORIES) * PAGE);
	uint64_t *pdpt = pml4 + ENTRIES, *directories = pdpt + ENTRIES;

	memcpy(memory_at(memory, LAYOUT_GDT, sizeof(gdt)), gdt, sizeof(gdt));
	pml4[0] = (LAYOUT_PAGE_TABLES + PAGE) | PTE_TABLE;
	for (uint64_t i = 0; i < DIRECTORIES; i++)
		pdpt[i] = (LAYOUT_PAGE_TABLES + (2 + i) * PAGE) | PTE_TABLE;
	for (uint64_t i = 0; i < DIRECTORIES * ENTRIES; i++)
		directories[i] = i << 21 | PTE_PAGE;
}

static struct kvm_segment flat_segment(unsigned int index, uint8_t type)
{
	return (struct kvm_segment){
		.selector = index * 8,
		.limit = 0xffffffff,
		.type = type,
		.present = 1,
		.s = 1,
		.g = 1,
		.l = index == GDT_CODE,
		.db = index != GDT_CODE,
	};
}

void entry_set_sregs(struct kvm_sregs *sregs)
{
	struct kvm_segment data = flat_segment(GDT_DATA, 3);

	sregs->cs = flat_segment(GDT_CODE, 0xb);
	sregs->ds = data;
	sregs->es = data;
	sregs->fs = data;
	sregs->gs = data;
	sregs->ss = data;
	sregs->tr = (struct kvm_segment){
		.selector = GDT_TSS * 8,
		.limit = 0x67,
		.type = 0xb,
		.present = 1,
	};
	sregs->gdt.base = LAYOUT_GDT;
	sregs->gdt.limit = sizeof(gdt) - 1;
	sregs->idt.base = 0;
	sregs->idt.limit = 0;
	sregs->cr0 = CR0_PE | CR0_ET | CR0_NE | CR0_PG;
	sregs->cr3 = LAYOUT_PAGE_TABLES;
	sregs->cr4 = CR4_PAE;
	sregs->efer = EFER_LME | EFER_LMA;
}

void entry_set_regs(struct kvm_regs *regs, uint64_t entry)
{
	*regs = (struct kvm_regs){
		.rip = entry,
		.rsi = LAYOUT_ZERO_PAGE,
		.rflags = RFLAGS_FIXED,
	};
}
