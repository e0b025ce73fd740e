// SPDX-License-Identifier: GPL-2.0-only
/* KVM_GET_STATS_FD: the file's layout, and that its values count what happens. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guest.h"

#define ROUNDS 20

struct stats {
	int fd;
	struct kvm_stats_header header;
	u8 *descriptors;
};

static const struct kvm_stats_desc *descriptor(const struct stats *stats, u32 i)
{
	return (const void *)(stats->descriptors +
			      i * (sizeof(struct kvm_stats_desc) + stats->header.name_size));
}

static void stats_open(struct stats *stats, int object)
{
	struct kvm_stats_header *header = &stats->header;
	size_t size;

	CHECK(has_cap(device_open(), KVM_CAP_BINARY_STATS_FD));
	stats->fd = CHECK_OK(ioctl(object, KVM_GET_STATS_FD, 0));
	CHECK_EQ(read(stats->fd, header, sizeof(*header)), sizeof(*header));
	size = header->num_desc * (sizeof(struct kvm_stats_desc) + header->name_size);
	stats->descriptors = malloc(size);
	CHECK_EQ(pread(stats->fd, stats->descriptors, size, header->desc_offset), size);
}

static u64 stats_value(const struct stats *stats, const char *name)
{
	u64 value;
	u32 i;

	for (i = 0; i < stats->header.num_desc; i++) {
		if (strcmp(descriptor(stats, i)->name, name))
			continue;
		CHECK_EQ(pread(stats->fd, &value, sizeof(value),
			       stats->header.data_offset + descriptor(stats, i)->offset),
			 sizeof(value));
		return value;
	}
	FAIL("no statistic '%s'", name);
}

static void check_layout(const struct stats *stats)
{
	const struct kvm_stats_header *header = &stats->header;
	u32 values = 0, i, j;

	CHECK_EQ(header->flags, 0);
	CHECK(header->num_desc > 0 && header->name_size > 0);
	CHECK_EQ((header->id_offset | header->desc_offset | header->data_offset) % 8, 0);
	for (i = 0; i < header->num_desc; i++) {
		const struct kvm_stats_desc *desc = descriptor(stats, i);

		CHECK(memchr(desc->name, 0, header->name_size) && desc->name[0]);
		CHECK_MSG((desc->flags & KVM_STATS_TYPE_MASK) <= KVM_STATS_TYPE_MAX, "%s",
			  desc->name);
		CHECK_MSG((desc->flags & KVM_STATS_UNIT_MASK) <= KVM_STATS_UNIT_MAX, "%s",
			  desc->name);
		/* In the order of the descriptors; a few of KVM's are not. */
		CHECK_MSG(desc->size && (desc->offset == values * sizeof(u64) || device_is_kvm()),
			  "%s", desc->name);
		values += desc->size;
		for (j = 0; j < i; j++)
			CHECK_MSG(strcmp(desc->name, descriptor(stats, j)->name), "%s twice",
				  desc->name);
	}
}

static void check_reads(const struct stats *stats, int object)
{
	static u8 whole[65536], pieces[65536];
	/* The data come last here as in KVM; they may change between two reads. */
	size_t immutable = stats->header.data_offset, pos;
	ssize_t size = pread(stats->fd, whole, sizeof(whole), 0);
	void *volatile nowhere = (void *)16;
	int other = CHECK_OK(ioctl(object, KVM_GET_STATS_FD, 0));

	CHECK(size > (ssize_t)immutable && size < (ssize_t)sizeof(whole));
	for (pos = 0; pos < immutable; pos += 7)
		CHECK(read(other, pieces + pos, 7) == 7);
	CHECK(!memcmp(whole, pieces, immutable));
	CHECK_EQ(pread(stats->fd, pieces, 1, size), 0);
	CHECK_EQ(pread(stats->fd, pieces, 100, size - 8), 8);
	CHECK_ERR(write(stats->fd, pieces, 1), EBADF);
	CHECK_ERR(ioctl(stats->fd, KVM_GET_STATS_FD, 0), ENOTTY);
	CHECK_ERR(pread(stats->fd, nowhere, 64, 0), EFAULT);
}

static void check_id(const struct stats *stats, const char *format, unsigned int id)
{
	char name[256] = "", want[256];

	snprintf(want, sizeof(want), format, getpid(), id);
	CHECK_EQ(pread(stats->fd, name, stats->header.name_size, stats->header.id_offset),
		 stats->header.name_size);
	CHECK_MSG(!strcmp(name, want), "'%s'", name);
}

TEST(vm_file)
{
	struct stats stats;
	struct vm vm;

	vm_create(&vm, 0);
	stats_open(&stats, vm.fd);
	check_layout(&stats);
	check_reads(&stats, vm.fd);
	check_id(&stats, "kvm-%d", 0);
}

TEST(vcpu_file)
{
	struct stats stats;
	struct vcpu vcpu;
	struct vm vm;

	vm_create(&vm, 0);
	vcpu_create(&vm, &vcpu, 3);
	stats_open(&stats, vcpu.fd);
	check_layout(&stats);
	check_reads(&stats, vcpu.fd);
	check_id(&stats, "kvm-%d/vcpu-%u", 3);
}

TEST(seek, .vmm_only = true) /* KVM's file cannot be sought in, whatever its document says */
{
	struct kvm_stats_header header;
	struct stats stats;
	struct vm vm;

	vm_create(&vm, 0);
	stats_open(&stats, vm.fd);
	CHECK_EQ(lseek(stats.fd, 0, SEEK_SET), 0);
	CHECK_EQ(read(stats.fd, &header, sizeof(header)), sizeof(header));
	CHECK(!memcmp(&header, &stats.header, sizeof(header)));
}

static void guest_sync_rounds(u64 rounds)
{
	u64 i;

	for (i = 0; i < rounds; i++)
		guest_sync(i);
	*(volatile u32 *)0x20000000ul = 1;
	asm volatile("hlt");
}

TEST(counts)
{
	u64 exits, io, mmio, halts;
	struct stats stats;
	struct vcpu vcpu;
	unsigned int i;
	struct vm vm;

	guest_start(&vm, &vcpu, 0, guest_sync_rounds, ROUNDS);
	stats_open(&stats, vcpu.fd);
	vcpu_sync(&vcpu);
	exits = stats_value(&stats, "exits");
	io = stats_value(&stats, "io_exits");
	mmio = stats_value(&stats, "mmio_exits");
	for (i = 1; i < ROUNDS; i++)
		vcpu_sync(&vcpu);
	CHECK(stats_value(&stats, "exits") >= exits + ROUNDS - 1);
	CHECK_EQ(stats_value(&stats, "io_exits"), io + ROUNDS - 1);
	vcpu_expect(&vcpu, KVM_EXIT_MMIO);
	CHECK_EQ(stats_value(&stats, "mmio_exits"), mmio + 1);
	halts = stats_value(&stats, "halt_exits");
	vcpu_expect(&vcpu, KVM_EXIT_HLT);
	CHECK_EQ(stats_value(&stats, "halt_exits"), halts + 1);
}

/* The file holds the VM: what it tells is there as long as it is. */
TEST(outlives_vm)
{
	struct stats of_vm, of_vcpu;
	struct vcpu vcpu;
	struct vm vm;

	vm_create(&vm, 0);
	vcpu_create(&vm, &vcpu, 0);
	stats_open(&of_vm, vm.fd);
	stats_open(&of_vcpu, vcpu.fd);
	vcpu_destroy(&vcpu);
	vm_destroy(&vm);
	check_id(&of_vm, "kvm-%d", 0);
	check_id(&of_vcpu, "kvm-%d/vcpu-%u", 0);
	CHECK_EQ(stats_value(&of_vcpu, "exits"), 0);
	close(of_vm.fd);
	CHECK_EQ(stats_value(&of_vcpu, "io_exits"), 0);
}
