// SPDX-License-Identifier: GPL-2.0-only
/* A virtio device as a driver sees it: configuration space, BAR, MSI-X, status (virtio 1.2, 4.1). */
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "suite.h"
#include "virtio/pci.h"

#define RAM (1 << 20)
#define LOW 0xc0000000ULL
#define LOW_LEN 0x20000000ULL
#define HIGH 0x800000000ULL
#define HIGH_LEN 0x800000000ULL
#define SLOT 5
#define HOME (LOW + SLOT * PCI_SLOT_SPAN)
#define QUEUES 2
#define NOTIFY 0x3000
#define TABLE 0x4000
#define PBA 0x6000
#define MESSAGE 0xfee01000ULL

static struct memory memory;
static struct pci_host host;
static struct virtio_device device;
static struct virtio_pci vp;
static uint8_t config[8] = "config!";
static unsigned int activations, resets, config_writes, reset_port;

/* Who was told what. */
static struct {
	unsigned int connects, disconnects;
	bool refuse;
} router_seen;
static uint64_t doorbells[QUEUES];
static bool intx;

static int connect_vector(struct msi_router *router, struct msi_vector *vector, uint64_t address,
			  uint32_t data)
{
	if (router_seen.refuse)
		return -1;
	router_seen.connects++;
	if (vector->fd < 0)
		vector->fd = eventfd(0, EFD_NONBLOCK);
	vector->address = address;
	vector->data = data;
	return 0;
}

static void disconnect_vector(struct msi_router *router, struct msi_vector *vector)
{
	router_seen.disconnects++;
	close(vector->fd);
	vector->fd = -1;
}

static struct msi_router router = { .connect = connect_vector, .disconnect = disconnect_vector };

static int set_doorbell(struct virtio_pci_host *h, uint64_t gpa, int fd, bool on)
{
	for (unsigned int i = 0; i < QUEUES; i++) {
		if (device.queues[i].kick.fd != fd)
			continue;
		/* One place at a time, and off where it was on. */
		ck_assert_uint_eq(doorbells[i], on ? 0 : gpa);
		doorbells[i] = on ? gpa : 0;
	}
	return 0;
}

static struct virtio_pci_host virtio_host = { &host, &router, set_doorbell };

static void set_line(struct irq_line *line)
{
	ck_assert_uint_eq(line->number, PCI_INTX_GSI + SLOT);
	intx = line->level;
}

static void activate(struct virtio_device *d)
{
	activations++;
}

static void reset(struct virtio_device *d)
{
	resets++;
}

static void handle_queue(struct virtio_device *d, struct virtio_queue *queue)
{
}

static void config_written(struct virtio_device *d, unsigned int offset, const void *data,
			   unsigned int len)
{
	ck_assert_uint_le(offset + len, sizeof(config));
	config_writes++;
}

static const struct virtio_ops ops = {
	.id = 4,
	.class_code = 0x00ff00,
	.activate = activate,
	.reset = reset,
	.handle_queue = handle_queue,
	.config_written = config_written,
};

static uint64_t reset_read(void *opaque, uint64_t offset, unsigned int size)
{
	return 0x55;
}

static void reset_write(void *opaque, uint64_t offset, unsigned int size, uint64_t value)
{
	reset_port = value;
}

static const struct bus_ops reset_ops = { reset_read, reset_write };

static uint64_t cfg(unsigned int offset, unsigned int size)
{
	return pci_ecam_ops.read(&host, SLOT << 15 | offset, size);
}

static void set_cfg(unsigned int offset, unsigned int size, uint64_t value)
{
	pci_ecam_ops.write(&host, SLOT << 15 | offset, size, value);
}

static uint64_t bar(uint64_t offset, unsigned int size)
{
	return pci_low_window_ops.read(&host, HOME - LOW + offset, size);
}

static void set_bar(uint64_t offset, unsigned int size, uint64_t value)
{
	pci_low_window_ops.write(&host, HOME - LOW + offset, size, value);
}

static void setup(void)
{
	static const struct pci_window windows[] = { { LOW, LOW_LEN }, { HIGH, HIGH_LEN } };
	struct error err;

	ck_assert_int_eq(memory_create(&memory, RAM, &err), 0);
	pci_host_init(&host, windows);
	host.reset_ops = &reset_ops;
	for (unsigned int i = 0; i < PCI_INTX_LINES; i++)
		host.intx[i] = (struct irq_line){ .set = set_line, .number = PCI_INTX_GSI + i };
	ck_assert_int_eq(virtio_device_init(&device, &ops, &memory, QUEUES, &err), 0);
	device.config = config;
	device.config_size = sizeof(config);
	ck_assert_int_eq(virtio_pci_create(&vp, &virtio_host, &device, SLOT, &err), 0);
	set_cfg(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

static uint8_t status(void)
{
	return bar(VIRTIO_PCI_COMMON_STATUS, 1);
}

static void set_status(uint8_t value)
{
	set_bar(VIRTIO_PCI_COMMON_STATUS, 1, value);
}

static void set_features(uint64_t features)
{
	for (unsigned int i = 0; i < 2; i++) {
		set_bar(VIRTIO_PCI_COMMON_GFSELECT, 4, i);
		set_bar(VIRTIO_PCI_COMMON_GF, 4, features >> 32 * i & 0xffffffff);
	}
}

#define VERSION_1 VIRTIO_FEATURE(VIRTIO_F_VERSION_1)
#define HELLO (VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER)
#define AGREED (HELLO | VIRTIO_CONFIG_S_FEATURES_OK)
#define READY (AGREED | VIRTIO_CONFIG_S_DRIVER_OK)

static void agree(void)
{
	set_status(HELLO);
	set_features(VERSION_1);
	set_status(AGREED);
	ck_assert_uint_eq(status(), AGREED);
}

static void enable_queue(unsigned int i, uint64_t desc, uint16_t size)
{
	set_bar(VIRTIO_PCI_COMMON_Q_SELECT, 2, i);
	set_bar(VIRTIO_PCI_COMMON_Q_SIZE, 2, size);
	set_bar(VIRTIO_PCI_COMMON_Q_DESCLO, 4, desc);
	set_bar(VIRTIO_PCI_COMMON_Q_DESCHI, 4, desc >> 32);
	set_bar(VIRTIO_PCI_COMMON_Q_AVAILLO, 4, 0x2000);
	set_bar(VIRTIO_PCI_COMMON_Q_USEDLO, 4, 0x3000);
	set_bar(VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
}

START_TEST(launcher_pci_identity)
{
	ck_assert_uint_eq(cfg(PCI_VENDOR_ID, 4), 0x10441af4);
	ck_assert_uint_eq(cfg(PCI_REVISION_ID, 4), 0x00ff0001);
	ck_assert_uint_eq(cfg(PCI_HEADER_TYPE, 1), 0);
	ck_assert_uint_eq(cfg(PCI_INTERRUPT_PIN, 1), 1);
	/* Nobody in other slots, functions, on other buses, in extended configuration space. */
	ck_assert_uint_eq(pci_ecam_ops.read(&host, 6 << 15, 4), ~0ULL);
	ck_assert_uint_eq(pci_ecam_ops.read(&host, SLOT << 15 | 1 << 12, 4), ~0ULL);
	ck_assert_uint_eq(pci_ecam_ops.read(&host, 1 << 20 | SLOT << 15, 4), ~0ULL);
	ck_assert_uint_eq(cfg(0x100, 4), ~0ULL);
	ck_assert_uint_eq(cfg(0xfe, 4), ~0ULL);
	ck_assert_uint_eq(pci_ecam_ops.read(&host, 0, 4), 0x00081b36);
}
END_TEST

/* Type 1 accesses reach the same registers; a byte at 0xcf9 is not the bridge's. */
START_TEST(launcher_pci_ports)
{
	pci_address_ops.write(&host, 0, 4, 0x80000000 | SLOT << 11 | PCI_VENDOR_ID);
	ck_assert_uint_eq(pci_data_ops.read(&host, 0, 4), 0x10441af4);
	ck_assert_uint_eq(pci_data_ops.read(&host, 2, 2), 0x1044);
	pci_address_ops.write(&host, 1, 1, 6);
	ck_assert_uint_eq(reset_port, 6);
	ck_assert_uint_eq(pci_address_ops.read(&host, 1, 1), 0x55);
	ck_assert_uint_eq(pci_address_ops.read(&host, 0, 4), 0x80000000 | SLOT << 11);
	pci_address_ops.write(&host, 0, 4, SLOT << 11);
	ck_assert_uint_eq(pci_data_ops.read(&host, 0, 4), ~0ULL);
	ck_assert_uint_eq(reset_port, 6);
}
END_TEST

START_TEST(launcher_pci_read_only_registers)
{
	uint64_t before[16];

	for (unsigned int i = 0; i < 16; i++)
		before[i] = cfg(4 * i, 4);
	for (unsigned int i = 0; i < 16; i++) {
		if (i != PCI_COMMAND / 4 && i != PCI_INTERRUPT_LINE / 4 &&
		    (i < PCI_BASE_ADDRESS_0 / 4 || i > PCI_BASE_ADDRESS_1 / 4))
			set_cfg(4 * i, 4, 0xffffffff);
	}
	for (unsigned int i = 0; i < 16; i++)
		ck_assert_uint_eq(cfg(4 * i, 4), before[i]);
}
END_TEST

START_TEST(launcher_pci_bar_size)
{
	ck_assert_uint_eq(cfg(PCI_BASE_ADDRESS_0, 4), HOME | PCI_BASE_ADDRESS_MEM_TYPE_64);
	set_cfg(PCI_BASE_ADDRESS_0, 4, 0xffffffff);
	set_cfg(PCI_BASE_ADDRESS_1, 4, 0xffffffff);
	ck_assert_uint_eq(cfg(PCI_BASE_ADDRESS_0, 4), 0xffff8004);
	ck_assert_uint_eq(cfg(PCI_BASE_ADDRESS_1, 4), 0xffffffff);
}
END_TEST

static bool decoded_at(uint64_t gpa)
{
	bool low = gpa >= LOW && gpa < LOW + LOW_LEN;
	const struct bus_ops *window = low ? &pci_low_window_ops : &pci_high_window_ops;

	return window->read(&host, gpa - (low ? LOW : HIGH) + VIRTIO_PCI_COMMON_NUMQ, 2) == QUEUES;
}

static void move_bar(uint64_t gpa)
{
	set_cfg(PCI_BASE_ADDRESS_1, 4, gpa >> 32);
	set_cfg(PCI_BASE_ADDRESS_0, 4, gpa);
}

START_TEST(launcher_pci_bar_decode)
{
	ck_assert(decoded_at(HOME));
	set_cfg(PCI_COMMAND, 2, 0);
	ck_assert(!decoded_at(HOME));
	set_cfg(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	ck_assert(decoded_at(HOME));
	move_bar(HIGH + 0x100000);
	ck_assert(!decoded_at(HOME));
	ck_assert(decoded_at(HIGH + 0x100000));
	move_bar(LOW + LOW_LEN - 0x8000);
	ck_assert(decoded_at(LOW + LOW_LEN - 0x8000));
	/* RAM, the ECAM, the interrupt controllers, the end of the address space: nowhere. */
	static const uint64_t outside[] = { 0x1000000,	     0xe0000000, 0xfee00000, 0x100000000,
					    HIGH + HIGH_LEN, ~0x7fffULL, 0 };

	for (unsigned int i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
		move_bar(outside[i]);
		ck_assert_uint_eq(vp.pci.bars[0].address, 0);
		ck_assert_uint_eq(vp.address, 0);
	}
	/* What is at the BAR's end is not the BAR's. */
	move_bar(HOME);
	ck_assert_uint_eq(bar(0x7ffe, 4), ~0ULL);
	ck_assert_uint_eq(bar(0x8000, 4), ~0ULL);
}
END_TEST

START_TEST(launcher_pci_capabilities)
{
	unsigned int seen = 0, msix = 0, at = cfg(PCI_CAPABILITY_LIST, 1);

	ck_assert_uint_ne(cfg(PCI_STATUS, 2) & PCI_STATUS_CAP_LIST, 0);
	for (unsigned int n = 0; at && n < 10; at = cfg(at + 1, 1), n++) {
		ck_assert_uint_ge(at, 0x40);
		ck_assert_uint_eq(at % 4, 0);
		if (cfg(at, 1) == PCI_CAP_ID_MSIX) {
			msix++;
			ck_assert_uint_eq(cfg(at + 2, 2), QUEUES); /* one more vector */
			ck_assert_uint_eq(cfg(at + 4, 4), TABLE);
			ck_assert_uint_eq(cfg(at + 8, 4), PBA);
			continue;
		}
		ck_assert_uint_eq(cfg(at, 1), PCI_CAP_ID_VNDR);
		ck_assert_uint_ge(cfg(at + 2, 1), 16);
		ck_assert_uint_lt(cfg(at + 8, 4) + cfg(at + 12, 4), 0x8000);
		seen |= 1 << cfg(at + 3, 1);
		if (cfg(at + 3, 1) == VIRTIO_PCI_CAP_NOTIFY_CFG)
			ck_assert_uint_eq(cfg(at + 16, 4), 4);
	}
	ck_assert_uint_eq(at, 0);
	ck_assert_uint_eq(seen, 0x3e); /* types 1 to 5 */
	ck_assert_uint_eq(msix, 1);
}
END_TEST

/* The window in configuration space (4.1.4.9), within the BAR and aligned, or not at all. */
START_TEST(launcher_virtio_pci_window)
{
	unsigned int at = vp.window;

	set_cfg(at + 4, 1, 0);
	set_cfg(at + 8, 4, VIRTIO_PCI_COMMON_NUMQ);
	set_cfg(at + 12, 4, 2);
	ck_assert_uint_eq(cfg(at + 16, 2), QUEUES);
	set_cfg(at + 8, 4, VIRTIO_PCI_COMMON_STATUS);
	set_cfg(at + 12, 4, 1);
	set_cfg(at + 16, 1, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	ck_assert_uint_eq(status(), VIRTIO_CONFIG_S_ACKNOWLEDGE);
	static const uint32_t bad[][3] = { { 0, 0x7ffe, 4 },	 { 0, 0x8000, 1 },
					   { 0, 0xffffffff, 1 }, { 0, 0xfffffffe, 4 },
					   { 0, 1, 2 },		 { 0, 0, 3 },
					   { 0, 0, 0 },		 { 0, 0, 0x10000 },
					   { 1, 0, 4 } };

	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		set_cfg(at + 4, 1, bad[i][0]);
		set_cfg(at + 8, 4, bad[i][1]);
		set_cfg(at + 12, 4, bad[i][2]);
		set_cfg(at + 16, 4, 0x12345678);
		ck_assert_uint_eq(cfg(at + 16, 4), 0x12345678);
	}
}
END_TEST

START_TEST(launcher_virtio_pci_features)
{
	set_bar(VIRTIO_PCI_COMMON_DFSELECT, 4, 1);
	ck_assert_uint_eq(bar(VIRTIO_PCI_COMMON_DF, 4), 1);
	set_bar(VIRTIO_PCI_COMMON_DFSELECT, 4, 2);
	ck_assert_uint_eq(bar(VIRTIO_PCI_COMMON_DF, 4), 0);
	/* One that was not offered; none at all; not the version. */
	static const uint64_t bad[] = { VERSION_1 | 1, 0, VIRTIO_FEATURE(VIRTIO_RING_F_EVENT_IDX),
					~0ULL };

	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		set_status(0);
		set_status(HELLO);
		set_features(bad[i]);
		set_status(AGREED);
		ck_assert_uint_eq(status(), HELLO);
		set_status(READY);
		ck_assert_uint_eq(status(), HELLO);
	}
	ck_assert_uint_eq(activations, 0);
	set_status(0);
	agree();
	/* Final now. */
	set_features(~0ULL);
	ck_assert_uint_eq(device.features, VERSION_1);
	set_bar(VIRTIO_PCI_COMMON_GFSELECT, 4, 0xffffffff);
	set_bar(VIRTIO_PCI_COMMON_GF, 4, 1);
	ck_assert_uint_eq(device.features, VERSION_1);
}
END_TEST

START_TEST(launcher_virtio_pci_status)
{
	set_status(VIRTIO_CONFIG_S_DRIVER_OK);
	ck_assert_uint_eq(status(), 0);
	ck_assert_uint_eq(activations, 0);
	agree();
	set_status(VIRTIO_CONFIG_S_ACKNOWLEDGE); /* bits stay */
	ck_assert_uint_eq(status(), AGREED);
	set_status(READY | VIRTIO_CONFIG_S_NEEDS_RESET); /* that one is ours */
	ck_assert_uint_eq(status(), READY);
	ck_assert_uint_eq(activations, 1);
	set_status(READY);
	ck_assert_uint_eq(activations, 1);
	set_status(0);
	ck_assert_uint_eq(status(), 0);
	ck_assert_uint_eq(resets, 1);
	ck_assert_uint_eq(device.features, 0);
}
END_TEST

/* What counts is what was there when the queue was enabled. */
START_TEST(launcher_virtio_pci_queue_latched)
{
	enable_queue(0, 0x1000, 8); /* before the features: not enabled */
	ck_assert(!device.queues[0].enabled);
	agree();
	enable_queue(0, 0x1000, 8);
	ck_assert(device.queues[0].enabled);
	enable_queue(0, 0x7ffff000, 256);
	set_bar(VIRTIO_PCI_COMMON_Q_USEDHI, 4, 0xffffffff);
	ck_assert_uint_eq(bar(VIRTIO_PCI_COMMON_Q_SIZE, 2), 8);
	ck_assert_uint_eq(bar(VIRTIO_PCI_COMMON_Q_DESCLO, 4), 0x1000);
	ck_assert_uint_eq(bar(VIRTIO_PCI_COMMON_Q_USEDHI, 4), 0);
	set_bar(VIRTIO_PCI_COMMON_Q_ENABLE, 2, 0);
	ck_assert_uint_eq(bar(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 1);
	ck_assert_ptr_eq(device.queues[0].ring.descriptors, memory.host + 0x1000);
	/* A queue that is not there. */
	enable_queue(QUEUES, 0x1000, 8);
	ck_assert_uint_eq(bar(VIRTIO_PCI_COMMON_Q_SIZE, 2), 0);
	ck_assert_uint_eq(bar(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
	/* Too late. */
	set_status(READY);
	enable_queue(1, 0x1000, 8);
	ck_assert(!device.queues[1].enabled);
	set_status(0);
	ck_assert(!device.queues[0].enabled);
	set_bar(VIRTIO_PCI_COMMON_Q_SELECT, 2, 0);
	ck_assert_uint_eq(bar(VIRTIO_PCI_COMMON_Q_SIZE, 2), VIRTQ_MAX_SIZE);
}
END_TEST

START_TEST(launcher_virtio_pci_bad_queue)
{
	static const struct {
		uint64_t desc;
		uint16_t size;
	} bad[] = { { 0x1001, 8 }, { RAM, 8 }, { 0x1000, 0 }, { 0x1000, 7 }, { 0x1000, 512 } };

	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		agree();
		enable_queue(0, bad[i].desc, bad[i].size);
		ck_assert_uint_eq(status(), AGREED | VIRTIO_CONFIG_S_NEEDS_RESET);
		set_status(READY);
		ck_assert_uint_eq(status(), READY | VIRTIO_CONFIG_S_NEEDS_RESET);
		ck_assert(!device.active);
		set_status(0);
		ck_assert_uint_eq(status(), 0);
	}
	ck_assert_uint_eq(activations, 0);
}
END_TEST

/* A field is read and written as a whole (4.1.3.1). */
START_TEST(launcher_virtio_pci_widths)
{
	set_bar(VIRTIO_PCI_COMMON_Q_SELECT, 1, 1);
	set_bar(VIRTIO_PCI_COMMON_Q_SELECT, 4, 1);
	ck_assert_uint_eq(bar(VIRTIO_PCI_COMMON_Q_SELECT, 2), 0);
	ck_assert_uint_eq(bar(VIRTIO_PCI_COMMON_NUMQ, 1), 0);
	ck_assert_uint_eq(bar(VIRTIO_PCI_COMMON_NUMQ + 1, 2), 0);
	ck_assert_uint_eq(bar(0x36, 4), 0);
	/* The device's configuration has any width, within its size. */
	ck_assert_uint_eq(bar(0x2000, 1), 'c');
	ck_assert_uint_eq(bar(0x2006, 2), '!');
	ck_assert_uint_eq(bar(0x2007, 2), 0);
	ck_assert_uint_eq(bar(0x2ffe, 4), 0);
	set_bar(0x2006, 2, 1);
	ck_assert_uint_eq(config_writes, 1);
	set_bar(0x2006, 4, 1);
	ck_assert_uint_eq(config_writes, 1);
}
END_TEST

static bool signalled(unsigned int vector)
{
	eventfd_t count;

	return vp.msix.vectors[vector].fd >= 0 && !eventfd_read(vp.msix.vectors[vector].fd, &count);
}

static void set_msix(unsigned int flags)
{
	set_cfg(vp.msix.capability + PCI_MSIX_FLAGS, 2, flags);
}

static void set_entry(unsigned int vector, uint64_t address, uint32_t data, uint32_t control)
{
	set_bar(TABLE + 16 * vector, 4, address);
	set_bar(TABLE + 16 * vector + 4, 4, address >> 32);
	set_bar(TABLE + 16 * vector + 8, 4, data);
	set_bar(TABLE + 16 * vector + 12, 4, control);
}

START_TEST(launcher_msix_masks)
{
	for (unsigned int i = 0; i <= QUEUES; i++)
		ck_assert_uint_eq(bar(TABLE + 16 * i + 12, 4), 1);
	set_msix(PCI_MSIX_FLAGS_ENABLE);
	msix_signal(&vp.msix, 1);
	ck_assert(!signalled(1));
	ck_assert_uint_eq(bar(PBA, 4), 2);
	ck_assert_uint_eq(router_seen.connects, 0);
	set_entry(1, MESSAGE, 0x41, 0);
	ck_assert(signalled(1));
	ck_assert_uint_eq(bar(PBA, 4), 0);
	ck_assert_uint_eq(vp.msix.vectors[1].address, MESSAGE);
	msix_signal(&vp.msix, 1);
	ck_assert(signalled(1));
	/* The function's mask. */
	set_msix(PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	msix_signal(&vp.msix, 1);
	ck_assert(!signalled(1));
	set_msix(PCI_MSIX_FLAGS_ENABLE);
	ck_assert(signalled(1));
	/* A new message is told once, at the unmasking. */
	ck_assert_uint_eq(router_seen.connects, 1);
	set_entry(1, MESSAGE, 0x42, 1);
	ck_assert_uint_eq(router_seen.connects, 1);
	set_entry(1, MESSAGE, 0x42, 0);
	set_entry(1, MESSAGE, 0x42, 0);
	ck_assert_uint_eq(router_seen.connects, 2);
	ck_assert(!signalled(1));
}
END_TEST

START_TEST(launcher_msix_bounds)
{
	set_msix(PCI_MSIX_FLAGS_ENABLE);
	msix_signal(&vp.msix, QUEUES + 1);
	msix_signal(&vp.msix, VIRTIO_MSI_NO_VECTOR);
	ck_assert_uint_eq(bar(PBA, 4), 0);
	ck_assert_uint_eq(bar(TABLE + 16 * (QUEUES + 1), 4), 0xffffffffffffffff);
	set_bar(TABLE + 16 * (QUEUES + 1), 4, 1);
	set_bar(TABLE + 2, 4, 0xffffffff);
	set_bar(TABLE, 2, 0xffff);
	ck_assert_uint_eq(bar(TABLE, 4), 0);
	set_bar(PBA, 4, 0xffffffff);
	ck_assert_uint_eq(bar(PBA, 4), 0);
	/* A vector that the driver may not use, read back as none. */
	set_bar(VIRTIO_PCI_COMMON_MSIX, 2, QUEUES + 1);
	ck_assert_uint_eq(bar(VIRTIO_PCI_COMMON_MSIX, 2), VIRTIO_MSI_NO_VECTOR);
	set_bar(VIRTIO_PCI_COMMON_MSIX, 2, QUEUES);
	ck_assert_uint_eq(bar(VIRTIO_PCI_COMMON_MSIX, 2), QUEUES);
	set_bar(VIRTIO_PCI_COMMON_Q_MSIX, 2, 0x8000);
	ck_assert_uint_eq(bar(VIRTIO_PCI_COMMON_Q_MSIX, 2), VIRTIO_MSI_NO_VECTOR);
	/* A message that the hypervisor refuses: pending, and nothing worse. */
	router_seen.refuse = true;
	set_entry(0, ~0ULL, 0, 0);
	msix_signal(&vp.msix, 0);
	ck_assert_uint_eq(bar(PBA, 4), 1);
}
END_TEST

START_TEST(launcher_virtio_pci_interrupts)
{
	agree();
	set_status(READY);
	device.interrupt_queue(&device, &device.queues[1]);
	ck_assert(intx);
	ck_assert_uint_ne(cfg(PCI_STATUS, 2) & PCI_STATUS_INTERRUPT, 0);
	set_cfg(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_INTX_DISABLE);
	ck_assert(!intx);
	set_cfg(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	ck_assert(intx);
	device.interrupt_config(&device);
	ck_assert_uint_eq(bar(0x1000, 1), 3);
	ck_assert(!intx);
	ck_assert_uint_eq(bar(0x1000, 1), 0);
	/* With MSI-X the vectors do it, and the ISR stays out of it. */
	set_msix(PCI_MSIX_FLAGS_ENABLE);
	set_entry(2, MESSAGE, 0x50, 0);
	set_bar(VIRTIO_PCI_COMMON_Q_SELECT, 2, 1);
	set_bar(VIRTIO_PCI_COMMON_Q_MSIX, 2, 2);
	device.interrupt_queue(&device, &device.queues[1]);
	ck_assert(signalled(2));
	ck_assert(!intx);
	ck_assert_uint_eq(bar(0x1000, 1), 0);
	/* One that breaks tells of it through the configuration's vector. */
	set_entry(0, MESSAGE, 0x51, 0);
	set_bar(VIRTIO_PCI_COMMON_MSIX, 2, 0);
	virtio_device_break(&device);
	ck_assert(signalled(0));
	ck_assert_uint_ne(status() & VIRTIO_CONFIG_S_NEEDS_RESET, 0);
}
END_TEST

START_TEST(launcher_virtio_pci_doorbells)
{
	eventfd_t count;

	agree();
	enable_queue(0, 0x1000, 8);
	ck_assert_uint_eq(doorbells[0], 0);
	set_status(READY);
	ck_assert_uint_eq(doorbells[0], HOME + NOTIFY);
	ck_assert_uint_eq(doorbells[1], HOME + NOTIFY + 4);
	move_bar(HIGH + 0x10000);
	ck_assert_uint_eq(doorbells[1], HIGH + 0x10000 + NOTIFY + 4);
	set_cfg(PCI_COMMAND, 2, 0);
	ck_assert_uint_eq(doorbells[0], 0);
	set_cfg(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	move_bar(HOME);
	ck_assert_uint_eq(doorbells[0], HOME + NOTIFY);
	/* The queue that was enabled was kicked: its driver may have been early. */
	ck_assert_int_eq(eventfd_read(device.queues[0].kick.fd, &count), 0);
	ck_assert_int_eq(eventfd_read(device.queues[1].kick.fd, &count), -1);
	/* Where there is no doorbell, the write itself. */
	set_bar(NOTIFY + 4, 2, 1);
	ck_assert_int_eq(eventfd_read(device.queues[1].kick.fd, &count), 0);
	set_bar(NOTIFY + 4 * QUEUES, 2, 1);
	set_status(0);
	ck_assert_uint_eq(doorbells[0], 0);
	ck_assert_uint_eq(doorbells[1], 0);
}
END_TEST

/* A driver gone mad: any offset, any width, any value. */
START_TEST(launcher_virtio_pci_random_driver)
{
	uint64_t seed = 1;

	for (unsigned int i = 0; i < 200000; i++) {
		unsigned int size = 1 << (seed >> 60) % 3;
		uint64_t value = seed >> 20 & (seed >> 59 & 1 ? 0x0f : 0xffffffff);
		uint64_t offset = seed >> 33 & (seed >> 58 & 1 ? 0x3f : 0x7fff);

		seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
		if (seed >> 57 & 1)
			set_cfg(offset & 0xff, size, value);
		else
			vp.pci.bars[0].ops->write(&vp, offset & ~(uint64_t)(size - 1), size, value);
		vp.pci.bars[0].ops->read(&vp, offset & ~(uint64_t)(size - 1), size);
	}
	ck_assert_uint_gt(resets, 0);
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		launcher_pci_identity,
		launcher_pci_ports,
		launcher_pci_read_only_registers,
		launcher_pci_bar_size,
		launcher_pci_bar_decode,
		launcher_pci_capabilities,
		launcher_virtio_pci_window,
		launcher_virtio_pci_features,
		launcher_virtio_pci_status,
		launcher_virtio_pci_queue_latched,
		launcher_virtio_pci_bad_queue,
		launcher_virtio_pci_widths,
		launcher_msix_masks,
		launcher_msix_bounds,
		launcher_virtio_pci_interrupts,
		launcher_virtio_pci_doorbells,
		launcher_virtio_pci_random_driver,
	};

	return SUITE_RUN("virtio_pci", setup, tests);
}
