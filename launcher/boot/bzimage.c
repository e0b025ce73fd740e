// SPDX-License-Identifier: GPL-2.0-only
#include "boot/bzimage.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "boot/e820.h"
#include "machine/layout.h"

#define HEADER_OFFSET offsetof(struct boot_params, hdr)
#define BOOT_FLAG 0xaa55
#define MAGIC 0x53726448 /* "HdrS" */
#define MIN_PROTOCOL 0x020c /* 2.12: xloadflags, the first with a 64-bit entry point */
#define RSDP_PROTOCOL 0x020e
#define SECTOR 512
#define ENTRY_64 0x200
#define LOADER_UNDEFINED 0xff
#define PAGE 4096ULL

/* For sentences: rounded up. */
static uint64_t mebibytes(uint64_t bytes)
{
	return (bytes + (1 << 20) - 1) >> 20;
}

static int refuse(struct error *err, const char *name, const char *why)
{
	return error_set(err, EXIT_USAGE, "--kernel \"%.200s\": %s", name, why);
}

/*
 * The header says its own length: byte 0x201, the jump's operand, counts from 0x202. Fields past it
 * are not there.
 */
static uint64_t header_size(const uint8_t *head)
{
	uint64_t size = 0x202 + head[0x201] - HEADER_OFFSET;

	return size < sizeof(struct setup_header) ? size : sizeof(struct setup_header);
}

static const char *header_fault(const struct setup_header *hdr)
{
	if (hdr->boot_flag != BOOT_FLAG || hdr->header != MAGIC)
		return "not a Linux bzImage (give the compressed kernel, such as /boot/vmlinuz-*)";
	if (hdr->version < MIN_PROTOCOL)
		return "the kernel is too old: boot protocol 2.12 (Linux 3.8) or newer is needed";
	if (!(hdr->loadflags & LOADED_HIGH))
		return "not a bzImage: a zImage, which loads low, is not supported";
	if (!(hdr->xloadflags & XLF_KERNEL_64))
		return "not a 64-bit kernel";
	if (!hdr->kernel_alignment || hdr->kernel_alignment & (hdr->kernel_alignment - 1))
		return "damaged: its alignment is no power of two";
	if (!hdr->init_size)
		return "damaged: it says that it needs no memory";
	if (hdr->pref_address > LAYOUT_HOLE)
		return "damaged: it wants to be loaded beyond 3 GiB";
	return NULL;
}

int bzimage_parse(struct bzimage *image, const uint8_t *head, uint64_t head_size,
		  uint64_t file_size, const char *name, struct error *err)
{
	struct setup_header *hdr = &image->header;
	const char *fault;

	memset(image, 0, sizeof(*image));
	if (head_size < BZIMAGE_HEADER_BYTES)
		return refuse(err, name, "too short for a Linux bzImage");
	memcpy(hdr, head + HEADER_OFFSET, header_size(head));
	fault = header_fault(hdr);
	if (fault)
		return refuse(err, name, fault);

	image->code_offset = ((hdr->setup_sects ? hdr->setup_sects : 4) + 1) * SECTOR;
	image->code_size = (uint64_t)hdr->syssize * 16;
	if (!image->code_size || image->code_size > hdr->init_size)
		return refuse(err, name, "damaged: its sizes contradict each other");
	/* The last paragraph may be cut short: syssize is rounded up. */
	if (file_size < image->code_offset ||
	    file_size - image->code_offset + 15 < image->code_size)
		return refuse(err, name, "truncated: the file is shorter than its header says");
	if (file_size - image->code_offset < image->code_size)
		image->code_size = file_size - image->code_offset;
	return 0;
}

static uint64_t align_up(uint64_t value, uint64_t alignment)
{
	return (value + alignment - 1) & ~(alignment - 1);
}

/*
 * Loaded lower, a relocatable kernel would move itself up to pref_address all the same (boot.rst,
 * init_size), so there is no point in trying.
 */
int bzimage_place(const struct bzimage *image, uint64_t low_ram, uint64_t *load, struct error *err)
{
	const struct setup_header *hdr = &image->header;

	*load = hdr->pref_address;
	if (*load < LAYOUT_HIGH_RAM)
		*load = align_up(LAYOUT_HIGH_RAM, hdr->kernel_alignment);
	if (*load <= low_ram && hdr->init_size <= low_ram - *load)
		return 0;
	return error_set(err, EXIT_USAGE,
			 "--memory: this kernel needs at least %" PRIu64 "M to start",
			 mebibytes(*load + hdr->init_size));
}

int bzimage_place_initrd(const struct bzimage *image, uint64_t load, uint64_t low_ram,
			 uint64_t size, uint64_t *gpa, struct error *err)
{
	uint64_t end = (uint64_t)image->header.initrd_addr_max + 1;
	uint64_t kernel_end = load + image->header.init_size;

	if (end > low_ram)
		end = low_ram;
	if (end < size || ((end - size) & ~(PAGE - 1)) < kernel_end)
		return error_set(err, EXIT_USAGE,
				 "--initrd: its %" PRIu64 "M do not fit beside the kernel: "
				 "--memory of %" PRIu64 "M or more is needed",
				 mebibytes(size), mebibytes(kernel_end + size));
	*gpa = (end - size) & ~(PAGE - 1);
	return 0;
}

static int load_command_line(const struct memory *memory, const struct bzimage *image,
			     const char *text, struct error *err)
{
	uint64_t max = LAYOUT_COMMAND_LINE_END - LAYOUT_COMMAND_LINE - 1;
	uint64_t len = strlen(text);

	if (max > image->header.cmdline_size)
		max = image->header.cmdline_size;
	if (len > max)
		return error_set(err, EXIT_USAGE,
				 "--append: %" PRIu64
				 " characters are too long: this kernel takes %" PRIu64,
				 len, max);
	memcpy(memory_at(memory, LAYOUT_COMMAND_LINE, len + 1), text, len + 1);
	return 0;
}

static int load_initrd(const struct memory *memory, const struct bzimage *image, uint64_t load,
		       const struct file *initrd, struct boot_params *params, struct error *err)
{
	uint64_t gpa;

	if (bzimage_place_initrd(image, load, memory_low_size(memory->size), initrd->size, &gpa,
				 err))
		return -1;
	params->hdr.ramdisk_image = gpa;
	params->hdr.ramdisk_size = initrd->size;
	return file_read(initrd, 0, memory_at(memory, gpa, initrd->size), initrd->size, err);
}

static void fill_zero_page(struct boot_params *params, const struct bzimage *image,
			   uint64_t ram_size, uint64_t rsdp)
{
	params->hdr = image->header;
	/* The loader's fields, whatever the file had in them. */
	params->hdr.type_of_loader = LOADER_UNDEFINED;
	params->hdr.ramdisk_image = 0;
	params->hdr.ramdisk_size = 0;
	params->hdr.setup_data = 0;
	params->hdr.cmd_line_ptr = LAYOUT_COMMAND_LINE;
	params->e820_entries = e820_build(params->e820_table, ram_size);
	if (image->header.version >= RSDP_PROTOCOL)
		params->acpi_rsdp_addr = rsdp;
}

int bzimage_load(const struct memory *memory, const struct bzimage_request *request,
		 uint64_t *entry, struct error *err)
{
	struct boot_params *params =
		memory_at(memory, LAYOUT_ZERO_PAGE, sizeof(struct boot_params));
	const struct file *kernel = request->kernel;
	uint8_t head[BZIMAGE_HEADER_BYTES];
	struct bzimage image;
	uint64_t load;

	if (kernel->size < sizeof(head))
		return refuse(err, kernel->path, "too short for a Linux bzImage");
	if (file_read(kernel, 0, head, sizeof(head), err) ||
	    bzimage_parse(&image, head, sizeof(head), kernel->size, kernel->path, err) ||
	    bzimage_place(&image, memory_low_size(memory->size), &load, err) ||
	    load_command_line(memory, &image, request->command_line, err))
		return -1;
	fill_zero_page(params, &image, memory->size, request->rsdp);
	if (request->initrd && load_initrd(memory, &image, load, request->initrd, params, err))
		return -1;
	*entry = load + ENTRY_64;
	return file_read(kernel, image.code_offset, memory_at(memory, load, image.code_size),
			 image.code_size, err);
}
