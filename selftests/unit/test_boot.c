// SPDX-License-Identifier: GPL-2.0-only
/* bzImage headers, where things are loaded, the memory map, and the state at the entry point. */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "boot/bzimage.h"
#include "boot/e820.h"
#include "boot/entry.h"
#include "machine/layout.h"
#include "suite.h"

#define MIB (1ULL << 20)
#define GIB (1ULL << 30)

static struct error err;
static struct bzimage image;
static uint8_t head[BZIMAGE_HEADER_BYTES];
static struct setup_header *const hdr = (struct setup_header *)(head + 0x1f1);

/* As Debian's 6.1: protocol 2.15, pref_address 16 MiB, 2 MiB alignment. */
static void setup(void)
{
	memset(&err, 0, sizeof(err));
	memset(head, 0, sizeof(head));
	hdr->setup_sects = 3;
	hdr->syssize = 0x1000; /* 64 KiB */
	hdr->boot_flag = 0xaa55;
	hdr->jump = 0x6aeb; /* jmp +0x6a: the header ends at 0x26c */
	hdr->header = 0x53726448;
	hdr->version = 0x020f;
	hdr->loadflags = 1;
	hdr->initrd_addr_max = 0x7fffffff;
	hdr->kernel_alignment = 0x200000;
	hdr->relocatable_kernel = 1;
	hdr->xloadflags = 0x7f;
	hdr->cmdline_size = 2047;
	hdr->pref_address = 0x1000000;
	hdr->init_size = 48 * MIB;
}

#define FILE_SIZE (4 * 512 + 0x10000)

static int parse(uint64_t file_size)
{
	return bzimage_parse(&image, head, sizeof(head), file_size, "bz", &err);
}

static void check_refused(int rc, const char *sentence)
{
	ck_assert_int_eq(rc, -1);
	ck_assert_int_eq(err.status, EXIT_USAGE);
	ck_assert_str_eq(err.text, sentence);
}

START_TEST(launcher_boot_good_header)
{
	ck_assert_int_eq(parse(FILE_SIZE), 0);
	ck_assert_uint_eq(image.code_offset, 2048);
	ck_assert_uint_eq(image.code_size, 0x10000);
	ck_assert_uint_eq(image.header.init_size, 48 * MIB);
	ck_assert_uint_eq(image.header.pref_address, 0x1000000);
}
END_TEST

/* boot.rst: zero setup_sects means four. */
START_TEST(launcher_boot_default_setup_sects)
{
	hdr->setup_sects = 0;
	ck_assert_int_eq(parse(5 * 512 + 0x10000), 0);
	ck_assert_uint_eq(image.code_offset, 5 * 512);
}
END_TEST

START_TEST(launcher_boot_truncated)
{
	check_refused(bzimage_parse(&image, head, 1023, 1023, "bz", &err),
		      "--kernel \"bz\": too short for a Linux bzImage");
	check_refused(parse(FILE_SIZE - 16),
		      "--kernel \"bz\": truncated: the file is shorter than its header says");
	check_refused(parse(1024),
		      "--kernel \"bz\": truncated: the file is shorter than its header says");
	/* syssize counts paragraphs: the last may be short, and a signature may follow. */
	ck_assert_int_eq(parse(FILE_SIZE - 15), 0);
	ck_assert_uint_eq(image.code_size, 0x10000 - 15);
	ck_assert_int_eq(parse(FILE_SIZE + 4096), 0);
	ck_assert_uint_eq(image.code_size, 0x10000);
}
END_TEST

#define NOT_BZIMAGE \
	"--kernel \"bz\": not a Linux bzImage (give the compressed kernel, such as /boot/vmlinuz-*)"

START_TEST(launcher_boot_wrong_magic)
{
	hdr->boot_flag = 0;
	check_refused(parse(FILE_SIZE), NOT_BZIMAGE);
	hdr->boot_flag = 0xaa55;
	hdr->header++;
	check_refused(parse(FILE_SIZE), NOT_BZIMAGE);
	hdr->header--;
	/* A header that claims to end before its magic number has none. */
	hdr->jump = 0x00eb;
	check_refused(parse(FILE_SIZE), NOT_BZIMAGE);
	memset(head, 0, sizeof(head));
	memcpy(head,
	       "\x7f"
	       "ELF",
	       4);
	check_refused(parse(FILE_SIZE), NOT_BZIMAGE);
}
END_TEST

START_TEST(launcher_boot_old_protocol)
{
	hdr->version = 0x020b;
	check_refused(parse(FILE_SIZE),
		      "--kernel \"bz\": the kernel is too old: boot protocol 2.12 "
		      "(Linux 3.8) or newer is needed");
	hdr->version = 0x020c;
	ck_assert_int_eq(parse(FILE_SIZE), 0);
}
END_TEST

START_TEST(launcher_boot_wrong_kind)
{
	hdr->loadflags = 0;
	check_refused(parse(FILE_SIZE),
		      "--kernel \"bz\": not a bzImage: a zImage, which loads low, "
		      "is not supported");
	hdr->loadflags = 1;
	hdr->xloadflags = 0x7e;
	check_refused(parse(FILE_SIZE), "--kernel \"bz\": not a 64-bit kernel");
}
END_TEST

START_TEST(launcher_boot_damaged)
{
	static const uint32_t alignments[] = { 0, 3, 0x200001 };

	for (size_t i = 0; i < 3; i++) {
		hdr->kernel_alignment = alignments[i];
		check_refused(parse(FILE_SIZE),
			      "--kernel \"bz\": damaged: its alignment is no power of two");
	}
	hdr->kernel_alignment = 0x200000;
	hdr->init_size = 0;
	check_refused(parse(FILE_SIZE),
		      "--kernel \"bz\": damaged: it says that it needs no memory");
	hdr->init_size = 0xffff; /* less than the code itself */
	check_refused(parse(FILE_SIZE),
		      "--kernel \"bz\": damaged: its sizes contradict each other");
	hdr->init_size = 0x10000;
	hdr->syssize = 0;
	check_refused(parse(FILE_SIZE),
		      "--kernel \"bz\": damaged: its sizes contradict each other");
	hdr->syssize = 0xffffffff;
	check_refused(parse(FILE_SIZE),
		      "--kernel \"bz\": damaged: its sizes contradict each other");
}
END_TEST

START_TEST(launcher_boot_placement)
{
	uint64_t load;

	ck_assert_int_eq(parse(FILE_SIZE), 0);
	ck_assert_int_eq(bzimage_place(&image, 512 * MIB, &load, &err), 0);
	ck_assert_uint_eq(load, 16 * MIB);
	ck_assert_int_eq(bzimage_place(&image, 64 * MIB, &load, &err), 0);
	ck_assert_uint_eq(load, 16 * MIB);
	/* Lower is no use: the kernel would move itself up to pref_address (boot.rst, init_size). */
	check_refused(bzimage_place(&image, 64 * MIB - 4096, &load, &err),
		      "--memory: this kernel needs at least 64M to start");
	check_refused(bzimage_place(&image, 4 * MIB, &load, &err),
		      "--memory: this kernel needs at least 64M to start");
	/* Never below 1 MiB, and aligned. */
	image.header.pref_address = 0;
	ck_assert_int_eq(bzimage_place(&image, 512 * MIB, &load, &err), 0);
	ck_assert_uint_eq(load, 2 * MIB);
	hdr->pref_address = 3 * GIB + 1;
	check_refused(parse(FILE_SIZE),
		      "--kernel \"bz\": damaged: it wants to be loaded beyond 3 GiB");
	hdr->pref_address = ~0ULL;
	check_refused(parse(FILE_SIZE),
		      "--kernel \"bz\": damaged: it wants to be loaded beyond 3 GiB");
}
END_TEST

START_TEST(launcher_boot_initrd_placement)
{
	uint64_t gpa;

	ck_assert_int_eq(parse(FILE_SIZE), 0);
	ck_assert_int_eq(bzimage_place_initrd(&image, 16 * MIB, 512 * MIB, 5000, &gpa, &err), 0);
	ck_assert_uint_eq(gpa, 512 * MIB - 8192);
	/* Above initrd_addr_max the kernel cannot reach it. */
	ck_assert_int_eq(bzimage_place_initrd(&image, 16 * MIB, 3 * GIB, 4096, &gpa, &err), 0);
	ck_assert_uint_eq(gpa, 2 * GIB - 4096);
	/* It may touch the kernel's end, 64 MiB, but not overlap it. */
	ck_assert_int_eq(bzimage_place_initrd(&image, 16 * MIB, 128 * MIB, 64 * MIB, &gpa, &err),
			 0);
	ck_assert_uint_eq(gpa, 64 * MIB);
	check_refused(bzimage_place_initrd(&image, 16 * MIB, 128 * MIB, 64 * MIB + 1, &gpa, &err),
		      "--initrd: its 65M do not fit beside the kernel: "
		      "--memory of 129M or more is needed");
	check_refused(bzimage_place_initrd(&image, 16 * MIB, 128 * MIB, 1ULL << 60, &gpa, &err),
		      "--initrd: its 1099511627776M do not fit beside the kernel: "
		      "--memory of 1099511627840M or more is needed");
}
END_TEST

static uint32_t next_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	return *state ^= *state << 5;
}

/* Whatever a file says: refused, or everything lands inside RAM and nothing on anything else. */
START_TEST(launcher_boot_random_headers)
{
	const uint64_t low_ram = 256 * MIB;
	unsigned int accepted = 0, wrong = 0;
	uint32_t state = 2463534242;

	for (int i = 0; i < 200000; i++) {
		uint64_t file_size, load, gpa, kernel_end;

		setup();
		for (unsigned int n = next_random(&state) % 4; n; n--)
			head[0x1f1 + next_random(&state) % 0x7b] = next_random(&state);
		file_size = next_random(&state) % (1 << 18);
		if (parse(file_size) || bzimage_place(&image, low_ram, &load, &err))
			continue;
		accepted++;
		kernel_end = load + image.header.init_size;
		wrong += load < MIB || kernel_end > low_ram || kernel_end < load;
		wrong += image.code_size > image.header.init_size;
		wrong += image.code_offset + image.code_size > file_size;
		if (bzimage_place_initrd(&image, load, low_ram, file_size, &gpa, &err))
			continue;
		wrong += gpa < kernel_end || gpa + file_size > low_ram || gpa % 4096;
		wrong += gpa + file_size > (uint64_t)image.header.initrd_addr_max + 1;
	}
	ck_assert_uint_eq(wrong, 0);
	ck_assert_uint_gt(accepted, 1000);
}
END_TEST

static void check_entry(const struct boot_e820_entry *e, uint64_t addr, uint64_t end, uint32_t type)
{
	ck_assert_uint_eq(e->addr, addr);
	ck_assert_uint_eq(e->addr + e->size, end);
	ck_assert_uint_eq(e->type, type);
}

START_TEST(launcher_boot_e820_small)
{
	struct boot_e820_entry map[E820_MAX_ENTRIES_ZEROPAGE];

	ck_assert_uint_eq(e820_build(map, 512 * MIB), 5);
	check_entry(&map[0], 0, 0x9fc00, 1);
	check_entry(&map[1], 0x9fc00, MIB, 2);
	check_entry(&map[2], MIB, 512 * MIB, 1);
	check_entry(&map[3], 0xe0000000, 0xe0100000, 2); /* PCI's ECAM */
	check_entry(&map[4], 0xfffbc000, 0xfffc0000, 2);
}
END_TEST

/* The 3-4 GiB hole: RAM up to 3 GiB ends there, more goes on at 4 GiB. */
START_TEST(launcher_boot_e820_hole)
{
	struct boot_e820_entry map[E820_MAX_ENTRIES_ZEROPAGE];

	ck_assert_uint_eq(e820_build(map, 3 * GIB), 5);
	check_entry(&map[2], MIB, 3 * GIB, 1);
	ck_assert_uint_eq(e820_build(map, 3 * GIB + 4096), 6);
	check_entry(&map[2], MIB, 3 * GIB, 1);
	check_entry(&map[5], 4 * GIB, 4 * GIB + 4096, 1);
	ck_assert_uint_eq(e820_build(map, 100 * GIB), 6);
	check_entry(&map[5], 4 * GIB, 101 * GIB, 1);
}
END_TEST

START_TEST(launcher_boot_e820_totals)
{
	static const uint64_t sizes[] = { 32 * MIB, 512 * MIB, 3 * GIB - 4096, 3 * GIB, 5 * GIB };
	struct boot_e820_entry map[E820_MAX_ENTRIES_ZEROPAGE];

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		unsigned int n = e820_build(map, sizes[i]);
		uint64_t ram = 0;

		for (unsigned int k = 0; k < n; k++) {
			ram += map[k].type == 1 ? map[k].size : 0;
			ck_assert(!k || map[k].addr >= map[k - 1].addr + map[k - 1].size);
		}
		ck_assert_uint_eq(ram, sizes[i] - (MIB - 0x9fc00));
	}
}
END_TEST

/* Only arithmetic is tested: nothing is mapped at host. */
START_TEST(launcher_boot_memory_at)
{
	uint8_t *host = (uint8_t *)0x100000000000;
	struct memory small = { host, 64 * MIB }, big = { host, 4 * GIB };

	ck_assert_ptr_eq(memory_at(&small, 0, 64 * MIB), host);
	ck_assert_ptr_eq(memory_at(&small, 64 * MIB - 1, 1), host + 64 * MIB - 1);
	ck_assert_ptr_null(memory_at(&small, 64 * MIB - 1, 2));
	ck_assert_ptr_null(memory_at(&small, 64 * MIB + 1, 0));
	ck_assert_ptr_null(memory_at(&small, 4096, ~0ULL));
	ck_assert_ptr_null(memory_at(&small, ~0ULL, 2));
	ck_assert_ptr_null(memory_at(&big, 3 * GIB - 1, 2));
	ck_assert_ptr_null(memory_at(&big, 3 * GIB + 4096, 1));
	ck_assert_ptr_null(memory_at(&big, 4 * GIB - 1, 1));
	ck_assert_ptr_eq(memory_at(&big, 4 * GIB, GIB), host + 3 * GIB);
	ck_assert_ptr_null(memory_at(&big, 4 * GIB, GIB + 1));
	ck_assert_ptr_null(memory_at(&big, 5 * GIB, 1));
	ck_assert_ptr_null(memory_at(&small, 4 * GIB, 1));
}
END_TEST

/* Walks the tables as the CPU would. */
static uint64_t translate(const struct memory *memory, uint64_t cr3, uint64_t address)
{
	uint64_t table = cr3;

	for (int shift = 39; shift >= 21; shift -= 9) {
		uint64_t *entries = memory_at(memory, table & ~0xfffULL, 4096);
		uint64_t entry = entries[address >> shift & 511];

		ck_assert(entry & 1);
		ck_assert(entry & 2);
		if (entry & 0x80) {
			ck_assert_int_eq(shift, 21);
			return (entry & ~0x1fffffULL) + (address & 0x1fffff);
		}
		table = entry & 0x000ffffffffff000;
	}
	ck_abort_msg("no page");
	return 0;
}

START_TEST(launcher_boot_entry_state)
{
	static const uint64_t addresses[] = { 0, 0x1000200, 0x7fffffff, 0xc0000000, 0xffffffff };
	struct memory memory = { .size = 32 * MIB };
	struct kvm_sregs sregs = { .apic_base = 0xfee00900 };
	struct kvm_regs regs;
	uint64_t *gdt;

	ck_assert_int_eq(memory_create(&memory, memory.size, &err), 0);
	entry_prepare_memory(&memory);
	entry_set_sregs(&sregs);
	entry_set_regs(&regs, 0x1000200);
	for (size_t i = 0; i < 5; i++)
		ck_assert_uint_eq(translate(&memory, sregs.cr3, addresses[i]), addresses[i]);

	/*
	 * boot.rst: __BOOT_CS 0x10 execute/read, __BOOT_DS 0x18 read/write, RSI the zero page, no
	 * interrupts.
	 */
	ck_assert_uint_eq(sregs.cs.selector, 0x10);
	ck_assert_uint_eq(sregs.ds.selector, 0x18);
	ck_assert_uint_eq(sregs.es.selector, 0x18);
	ck_assert_uint_eq(sregs.ss.selector, 0x18);
	ck_assert_uint_eq(sregs.cs.l, 1);
	ck_assert_uint_eq(sregs.cs.db, 0);
	ck_assert_uint_eq(sregs.cr0 & 0x80000001, 0x80000001);
	ck_assert_uint_eq(sregs.cr4 & 0x20, 0x20);
	ck_assert_uint_eq(sregs.efer & 0x500, 0x500);
	ck_assert_uint_eq(sregs.apic_base, 0xfee00900);
	ck_assert_uint_eq(regs.rip, 0x1000200);
	ck_assert_uint_eq(regs.rsi, LAYOUT_ZERO_PAGE);
	ck_assert_uint_eq(regs.rflags, 2);
	gdt = memory_at(&memory, sregs.gdt.base, sregs.gdt.limit + 1);
	ck_assert_ptr_nonnull(gdt);
	ck_assert_uint_eq(gdt[2], 0x00af9b000000ffff);
	ck_assert_uint_eq(gdt[3], 0x00cf93000000ffff);
	memory_destroy(&memory);
}
END_TEST

/* A file with these first bytes. */
static struct file make_file(const void *data, size_t len, size_t size, const char *path)
{
	int fd = memfd_create("image", MFD_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, size), 0);
	ck_assert_int_eq(pwrite(fd, data, len, 0), (int)len);
	return (struct file){ .fd = fd, .size = size, .path = path, .origin = "--kernel" };
}

START_TEST(launcher_boot_load)
{
	struct file kernel = make_file(head, sizeof(head), FILE_SIZE, "bz");
	struct file initrd = make_file("initramfs", 9, 9, "rd");
	struct bzimage_request request = {
		.kernel = &kernel,
		.initrd = &initrd,
		.command_line = "console=ttyS0",
		.rsdp = 0xe0000,
	};
	struct memory memory;
	struct boot_params *params;
	uint64_t entry;

	ck_assert_int_eq(pwrite(kernel.fd, "CODE", 4, 2048), 4);
	ck_assert_int_eq(memory_create(&memory, 128 * MIB, &err), 0);
	ck_assert_int_eq(bzimage_load(&memory, &request, &entry, &err), 0);
	ck_assert_uint_eq(entry, 16 * MIB + 0x200);
	ck_assert_mem_eq(memory_at(&memory, 16 * MIB, 4), "CODE", 4);
	params = memory_at(&memory, LAYOUT_ZERO_PAGE, sizeof(*params));
	ck_assert_uint_eq(params->hdr.type_of_loader, 0xff);
	ck_assert_uint_eq(params->hdr.ramdisk_size, 9);
	ck_assert_mem_eq(memory_at(&memory, params->hdr.ramdisk_image, 9), "initramfs", 9);
	ck_assert_str_eq(memory_at(&memory, params->hdr.cmd_line_ptr, 14), "console=ttyS0");
	ck_assert_uint_eq(params->acpi_rsdp_addr, 0xe0000);
	ck_assert_uint_eq(params->e820_entries, 5);
	memory_destroy(&memory);
}
END_TEST

START_TEST(launcher_boot_command_line_limit)
{
	struct file kernel = make_file(head, sizeof(head), FILE_SIZE, "bz");
	char text[2049] = { 0 };
	struct bzimage_request request = { .kernel = &kernel, .command_line = text };
	struct memory memory;
	uint64_t entry;

	ck_assert_int_eq(memory_create(&memory, 128 * MIB, &err), 0);
	memset(text, 'a', 2047);
	ck_assert_int_eq(bzimage_load(&memory, &request, &entry, &err), 0);
	text[2047] = 'a';
	check_refused(bzimage_load(&memory, &request, &entry, &err),
		      "--append: 2048 characters are too long: this kernel takes 2047");
	memory_destroy(&memory);
}
END_TEST

/* Nothing that a layout constant names may overlap another. */
START_TEST(launcher_boot_layout)
{
	ck_assert_uint_le(LAYOUT_GDT + 0x1000, LAYOUT_PAGE_TABLES);
	ck_assert_uint_le(LAYOUT_PAGE_TABLES + 6 * 4096, LAYOUT_ZERO_PAGE);
	ck_assert_uint_le(LAYOUT_ZERO_PAGE + sizeof(struct boot_params), LAYOUT_COMMAND_LINE);
	ck_assert_uint_le(LAYOUT_COMMAND_LINE_END, LAYOUT_LOW_RAM_END);
	ck_assert_uint_lt(LAYOUT_HOLE, LAYOUT_IOAPIC);
	ck_assert_uint_lt(LAYOUT_LAPIC + 0x1000, LAYOUT_IDENTITY_MAP);
	ck_assert_uint_eq(LAYOUT_IDENTITY_MAP + 0x1000, LAYOUT_TSS);
	ck_assert_uint_eq(LAYOUT_TSS + 3 * 0x1000, LAYOUT_TSS_END);
	ck_assert_uint_eq(LAYOUT_ACPI % 16, 0);
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		launcher_boot_good_header,
		launcher_boot_default_setup_sects,
		launcher_boot_truncated,
		launcher_boot_wrong_magic,
		launcher_boot_old_protocol,
		launcher_boot_wrong_kind,
		launcher_boot_damaged,
		launcher_boot_placement,
		launcher_boot_initrd_placement,
		launcher_boot_e820_small,
		launcher_boot_e820_hole,
		launcher_boot_e820_totals,
		launcher_boot_memory_at,
		launcher_boot_entry_state,
		launcher_boot_load,
		launcher_boot_command_line_limit,
		launcher_boot_layout,
		launcher_boot_random_headers,
	};

	return SUITE_RUN("boot", setup, tests);
}
