// SPDX-License-Identifier: GPL-2.0-only
#include "machine/msi.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "machine/hypervisor.h"

static struct msi_table *table_of(struct msi_router *router)
{
	return (struct msi_table *)((char *)router - offsetof(struct msi_table, router));
}

static struct kvm_irq_routing_entry *find_route(struct msi_table *msi, uint32_t gsi)
{
	for (unsigned int i = msi->pins; i < msi->routing->nr; i++) {
		if (msi->routing->entries[i].gsi == gsi)
			return &msi->routing->entries[i];
	}
	return NULL;
}

static int set_routing(struct msi_table *msi)
{
	return ioctl(msi->vm_fd, KVM_SET_GSI_ROUTING, msi->routing);
}

static void remove_route(struct msi_table *msi, uint32_t gsi)
{
	struct kvm_irq_routing_entry *entry = find_route(msi, gsi);

	if (entry)
		*entry = msi->routing->entries[--msi->routing->nr];
}

/* A message that the hypervisor refuses must not stay: every later change would be refused too. */
static int set_route(struct msi_table *msi, uint32_t gsi, uint64_t address, uint32_t data)
{
	struct kvm_irq_routing_entry *entry = find_route(msi, gsi);

	if (!entry)
		entry = &msi->routing->entries[msi->routing->nr++];
	*entry = (struct kvm_irq_routing_entry){
		.gsi = gsi,
		.type = KVM_IRQ_ROUTING_MSI,
		.u.msi = { .address_lo = address, .address_hi = address >> 32, .data = data },
	};
	if (!set_routing(msi))
		return 0;
	remove_route(msi, gsi);
	return -1;
}

static int set_irqfd(struct msi_table *msi, const struct msi_vector *vector)
{
	struct kvm_irqfd irqfd = { .fd = vector->fd, .gsi = vector->gsi };

	return ioctl(msi->vm_fd, KVM_IRQFD, &irqfd);
}

static bool take_gsi(struct msi_table *msi, uint32_t *gsi)
{
	for (unsigned int i = 0; i < MSI_MAX_VECTORS; i++) {
		uint64_t bit = 1ULL << i % 64;

		if (msi->used[i / 64] & bit)
			continue;
		msi->used[i / 64] |= bit;
		*gsi = msi->first_gsi + i;
		return true;
	}
	return false;
}

static void give_gsi(struct msi_table *msi, uint32_t gsi)
{
	unsigned int i = gsi - msi->first_gsi;

	msi->used[i / 64] &= ~(1ULL << i % 64);
}

/* The vector's first message: its GSI and eventfd. */
static int open_vector(struct msi_table *msi, struct msi_vector *vector, uint64_t address,
		       uint32_t data)
{
	if (!take_gsi(msi, &vector->gsi))
		return -1;
	vector->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (vector->fd < 0)
		goto give;
	if (set_route(msi, vector->gsi, address, data))
		goto close_fd;
	if (set_irqfd(msi, vector))
		goto remove;
	return 0;

remove:
	remove_route(msi, vector->gsi);
	set_routing(msi);
close_fd:
	close(vector->fd);
	vector->fd = -1;
give:
	give_gsi(msi, vector->gsi);
	return -1;
}

static int msi_connect(struct msi_router *router, struct msi_vector *vector, uint64_t address,
		       uint32_t data)
{
	struct msi_table *msi = table_of(router);
	int rc;

	pthread_mutex_lock(&msi->lock);
	if (vector->fd < 0)
		rc = open_vector(msi, vector, address, data);
	else
		rc = set_route(msi, vector->gsi, address, data);
	if (!rc) {
		vector->address = address;
		vector->data = data;
	}
	pthread_mutex_unlock(&msi->lock);
	return rc;
}

/*
 * The hypervisor lets go of an eventfd that nobody has any more; the route, which nothing uses then,
 * goes with the next change.
 */
static void msi_disconnect(struct msi_router *router, struct msi_vector *vector)
{
	struct msi_table *msi = table_of(router);

	pthread_mutex_lock(&msi->lock);
	close(vector->fd);
	remove_route(msi, vector->gsi);
	give_gsi(msi, vector->gsi);
	vector->fd = -1;
	pthread_mutex_unlock(&msi->lock);
}

int msi_create(struct msi_table *msi, int vm_fd, struct error *err)
{
	*msi = (struct msi_table){
		.router = { .connect = msi_connect, .disconnect = msi_disconnect },
		.vm_fd = vm_fd,
		.first_gsi = HYPERVISOR_PINS,
	};
	msi->routing = calloc(1, sizeof(*msi->routing) + (HYPERVISOR_PIN_ROUTES + MSI_MAX_VECTORS) *
								 sizeof(msi->routing->entries[0]));
	if (!msi->routing)
		return error_set_errno(err, EXIT_FAILED, "interrupt routing");
	pthread_mutex_init(&msi->lock, NULL);
	hypervisor_route_pins(msi->routing);
	msi->pins = msi->routing->nr;
	return 0;
}

void msi_destroy(struct msi_table *msi)
{
	pthread_mutex_destroy(&msi->lock);
	free(msi->routing);
}
