// SPDX-License-Identifier: GPL-2.0-only
#include "machine/memory.h"

#include <inttypes.h>
#include <linux/kvm.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "machine/layout.h"

#define HUGE_PAGE (2ULL << 20)

uint64_t memory_low_size(uint64_t size)
{
	return size < LAYOUT_HOLE ? size : LAYOUT_HOLE;
}

/* RAM begins on a 2 MiB boundary of the host too, or neither side could map it in huge pages. */
static void *map_aligned(uint64_t size)
{
	uint64_t padded = size + HUGE_PAGE;
	uint8_t *map = mmap(NULL, padded, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint64_t head;

	if (map == MAP_FAILED)
		return NULL;
	head = -(uintptr_t)map % HUGE_PAGE;
	if (head)
		munmap(map, head);
	munmap(map + head + size, padded - head - size);
	return map + head;
}

int memory_create(struct memory *memory, uint64_t size, struct error *err)
{
	memory->host = map_aligned(size);
	memory->size = size;
	if (!memory->host)
		return error_set_errno(
			err, EXIT_FAILED,
			"--memory: the host gives no %" PRIu64 " MiB of address space", size >> 20);
	/* Neither is vital: without huge pages the guest is slower, a core dump larger. */
	madvise(memory->host, size, MADV_HUGEPAGE);
	madvise(memory->host, size, MADV_DONTDUMP);
	return 0;
}

void memory_destroy(struct memory *memory)
{
	munmap(memory->host, memory->size);
	memory->host = NULL;
}

static int set_slot(int vm_fd, uint32_t slot, uint64_t gpa, uint64_t size, void *host,
		    struct error *err)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)host,
	};

	if (ioctl(vm_fd, KVM_SET_USER_MEMORY_REGION, &region) < 0)
		return error_set_errno(err, EXIT_FAILED,
				       "--memory: the hypervisor refuses %" PRIu64
				       " MiB at guest address %#" PRIx64,
				       size >> 20, gpa);
	return 0;
}

int memory_attach(const struct memory *memory, int vm_fd, struct error *err)
{
	uint64_t low = memory_low_size(memory->size);

	if (set_slot(vm_fd, 0, 0, low, memory->host, err))
		return -1;
	if (low == memory->size)
		return 0;
	return set_slot(vm_fd, 1, LAYOUT_HOLE_END, memory->size - low, memory->host + low, err);
}

void *memory_at(const struct memory *memory, uint64_t gpa, uint64_t len)
{
	uint64_t low = memory_low_size(memory->size), high = memory->size - low;

	if (gpa <= low && len <= low - gpa)
		return memory->host + gpa;
	if (gpa < LAYOUT_HOLE_END)
		return NULL;
	gpa -= LAYOUT_HOLE_END;
	if (gpa <= high && len <= high - gpa)
		return memory->host + low + gpa;
	return NULL;
}
