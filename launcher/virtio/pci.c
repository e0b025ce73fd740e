// SPDX-License-Identifier: GPL-2.0-only
#include "virtio/pci.h"

#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <stddef.h>
#include <string.h>

#define VENDOR 0x1af4
#define DEVICE_BASE 0x1040 /* plus the device's type (4.1.2) */
#define REVISION 1

/* BAR 0. */
#define BAR 0
#define BAR_SIZE 0x8000
#define COMMON_START 0x0000
#define COMMON_LEN 0x38
#define ISR_START 0x1000
#define ISR_LEN 4
#define CONFIG_START 0x2000
#define CONFIG_LEN 0x1000
#define NOTIFY_START 0x3000
#define NOTIFY_STRIDE 4
#define NOTIFY_LEN (NOTIFY_STRIDE * VIRTIO_MAX_QUEUES)
#define TABLE_START 0x4000
#define PBA_START 0x6000

#define ISR_QUEUE 1
#define ISR_CONFIG 2

#define STATUS_DRIVER                                                                       \
	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_DRIVER_OK | \
	 VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_FAILED)

static struct virtio_pci *from_pci(struct pci_device *pci)
{
	return (struct virtio_pci *)((char *)pci - offsetof(struct virtio_pci, pci));
}

static void raise_isr(struct virtio_pci *vp, uint8_t bit)
{
	vp->isr |= bit;
	pci_device_set_intx(&vp->pci, true);
}

static void interrupt_queue(struct virtio_device *device, struct virtio_queue *queue)
{
	struct virtio_pci *vp = device->transport;

	if (msix_enabled(&vp->msix))
		msix_signal(&vp->msix, queue->vector);
	else
		raise_isr(vp, ISR_QUEUE);
}

static void interrupt_config(struct virtio_device *device)
{
	struct virtio_pci *vp = device->transport;

	if (msix_enabled(&vp->msix))
		msix_signal(&vp->msix, vp->config_vector);
	else
		raise_isr(vp, ISR_CONFIG);
}

static struct virtio_queue *selected(struct virtio_pci *vp)
{
	struct virtio_device *device = vp->device;

	return vp->queue_select < device->queue_count ? &device->queues[vp->queue_select] : NULL;
}

/*
 * Doorbells are where BAR 0 is decoded, while the device is active. One that the hypervisor refuses
 * still works, as an access to the BAR.
 */
static void move_doorbells(struct virtio_pci *vp)
{
	uint64_t at = vp->device->active ? vp->address : 0;
	struct virtio_device *device = vp->device;

	if (at == vp->doorbells)
		return;
	for (unsigned int i = 0; i < device->queue_count; i++) {
		uint64_t offset = NOTIFY_START + i * NOTIFY_STRIDE;
		int fd = device->queues[i].kick.fd;

		if (vp->doorbells)
			vp->host->set_doorbell(vp->host, vp->doorbells + offset, fd, false);
		if (at)
			vp->host->set_doorbell(vp->host, at + offset, fd, true);
	}
	vp->doorbells = at;
}

static void reset(struct virtio_pci *vp)
{
	virtio_device_reset(vp->device);
	move_doorbells(vp);
	vp->feature_select = vp->driver_feature_select = 0;
	vp->queue_select = 0;
	vp->config_vector = VIRTIO_MSI_NO_VECTOR;
	vp->isr = 0;
	pci_device_set_intx(&vp->pci, false);
	msix_forget_pending(&vp->msix);
}

static uint32_t select_half(uint64_t features, uint32_t select)
{
	return select < 2 ? features >> 32 * select : 0;
}

static uint32_t read_feature_select(struct virtio_pci *vp)
{
	return vp->feature_select;
}

static void write_feature_select(struct virtio_pci *vp, uint32_t value)
{
	vp->feature_select = value;
}

static uint32_t read_features(struct virtio_pci *vp)
{
	return select_half(vp->device->offered, vp->feature_select);
}

static uint32_t read_driver_select(struct virtio_pci *vp)
{
	return vp->driver_feature_select;
}

static void write_driver_select(struct virtio_pci *vp, uint32_t value)
{
	vp->driver_feature_select = value;
}

static uint32_t read_driver_features(struct virtio_pci *vp)
{
	return select_half(vp->device->features, vp->driver_feature_select);
}

/* Once agreed on, features stay (3.1.1, step 5). */
static void write_driver_features(struct virtio_pci *vp, uint32_t value)
{
	unsigned int shift = 32 * vp->driver_feature_select;

	if (vp->driver_feature_select > 1 || vp->device->status & VIRTIO_CONFIG_S_FEATURES_OK)
		return;
	vp->device->features &= ~(0xffffffffULL << shift);
	vp->device->features |= (uint64_t)value << shift;
}

static uint32_t read_config_vector(struct virtio_pci *vp)
{
	return vp->config_vector;
}

/* A vector that is not there cannot be mapped, which the driver sees by reading (4.1.5.1.2). */
static uint16_t check_vector(const struct virtio_pci *vp, uint32_t value)
{
	return value < vp->msix.count ? value : VIRTIO_MSI_NO_VECTOR;
}

static void write_config_vector(struct virtio_pci *vp, uint32_t value)
{
	vp->config_vector = check_vector(vp, value);
}

static uint32_t read_queue_count(struct virtio_pci *vp)
{
	return vp->device->queue_count;
}

static uint32_t read_status(struct virtio_pci *vp)
{
	return vp->device->status;
}

static bool features_agree(const struct virtio_device *device)
{
	return !(device->features & ~device->offered) && virtio_has(device, VIRTIO_F_VERSION_1);
}

/* Bits are only ever added, in order; zero resets (2.1). */
static void write_status(struct virtio_pci *vp, uint32_t value)
{
	struct virtio_device *device = vp->device;
	uint8_t status = device->status | (value & STATUS_DRIVER);
	uint8_t added = status & ~device->status;

	if (!value) {
		reset(vp);
		return;
	}
	if (added & VIRTIO_CONFIG_S_FEATURES_OK && !features_agree(device))
		status &= ~VIRTIO_CONFIG_S_FEATURES_OK;
	if (added & VIRTIO_CONFIG_S_DRIVER_OK && !(status & VIRTIO_CONFIG_S_FEATURES_OK))
		status &= ~VIRTIO_CONFIG_S_DRIVER_OK;
	added = status & ~device->status;
	device->status = status;
	if (!(added & VIRTIO_CONFIG_S_DRIVER_OK))
		return;
	if (status & VIRTIO_CONFIG_S_NEEDS_RESET) {
		interrupt_config(device);
		return;
	}
	virtio_device_activate(device);
	move_doorbells(vp);
}

static uint32_t read_generation(struct virtio_pci *vp)
{
	return vp->device->generation;
}

static uint32_t read_queue_select(struct virtio_pci *vp)
{
	return vp->queue_select;
}

static void write_queue_select(struct virtio_pci *vp, uint32_t value)
{
	vp->queue_select = value;
}

static uint32_t read_queue_size(struct virtio_pci *vp)
{
	struct virtio_queue *queue = selected(vp);

	return queue ? queue->layout.size : 0; /* 0: no such queue */
}

static struct virtio_queue *configurable(struct virtio_pci *vp)
{
	struct virtio_queue *queue = selected(vp);

	return queue && !queue->enabled ? queue : NULL;
}

static void write_queue_size(struct virtio_pci *vp, uint32_t value)
{
	struct virtio_queue *queue = configurable(vp);

	if (queue)
		queue->layout.size = value;
}

static uint32_t read_queue_vector(struct virtio_pci *vp)
{
	struct virtio_queue *queue = selected(vp);

	return queue ? queue->vector : VIRTIO_MSI_NO_VECTOR;
}

static void write_queue_vector(struct virtio_pci *vp, uint32_t value)
{
	struct virtio_queue *queue = selected(vp);

	if (queue)
		queue->vector = check_vector(vp, value);
}

static uint32_t read_queue_enable(struct virtio_pci *vp)
{
	struct virtio_queue *queue = selected(vp);

	return queue && queue->enabled;
}

/* The one moment when the queue's layout counts. It is enabled by 1 only, and disabled by reset. */
static void write_queue_enable(struct virtio_pci *vp, uint32_t value)
{
	struct virtio_queue *queue = configurable(vp);
	struct virtio_device *device = vp->device;

	if (!queue || value != 1 || !(device->status & VIRTIO_CONFIG_S_FEATURES_OK) ||
	    device->status & VIRTIO_CONFIG_S_DRIVER_OK)
		return;
	if (virtq_init(&queue->ring, device->memory, &queue->layout, device->features))
		virtio_device_break(device);
	else
		queue->enabled = true;
}

static uint32_t read_notify_offset(struct virtio_pci *vp)
{
	return vp->queue_select;
}

static uint64_t *queue_address(struct virtq_layout *layout, unsigned int which)
{
	uint64_t *const addresses[] = { &layout->descriptors, &layout->available, &layout->used };

	return addresses[which];
}

static uint32_t read_address(struct virtio_pci *vp, unsigned int which, unsigned int half)
{
	struct virtio_queue *queue = selected(vp);

	return queue ? *queue_address(&queue->layout, which) >> 32 * half : 0;
}

static void write_address(struct virtio_pci *vp, unsigned int which, unsigned int half,
			  uint32_t value)
{
	struct virtio_queue *queue = configurable(vp);
	uint64_t *address;

	if (!queue)
		return;
	address = queue_address(&queue->layout, which);
	*address = (*address & ~(0xffffffffULL << 32 * half)) | (uint64_t)value << 32 * half;
}

struct field {
	uint8_t offset, size;
	uint32_t (*read)(struct virtio_pci *vp);
	void (*write)(struct virtio_pci *vp, uint32_t value); /* NULL: read only */
};

/* struct virtio_pci_common_cfg (4.1.4.3), without the queues' addresses. */
static const struct field fields[] = {
	{ VIRTIO_PCI_COMMON_DFSELECT, 4, read_feature_select, write_feature_select },
	{ VIRTIO_PCI_COMMON_DF, 4, read_features, NULL },
	{ VIRTIO_PCI_COMMON_GFSELECT, 4, read_driver_select, write_driver_select },
	{ VIRTIO_PCI_COMMON_GF, 4, read_driver_features, write_driver_features },
	{ VIRTIO_PCI_COMMON_MSIX, 2, read_config_vector, write_config_vector },
	{ VIRTIO_PCI_COMMON_NUMQ, 2, read_queue_count, NULL },
	{ VIRTIO_PCI_COMMON_STATUS, 1, read_status, write_status },
	{ VIRTIO_PCI_COMMON_CFGGENERATION, 1, read_generation, NULL },
	{ VIRTIO_PCI_COMMON_Q_SELECT, 2, read_queue_select, write_queue_select },
	{ VIRTIO_PCI_COMMON_Q_SIZE, 2, read_queue_size, write_queue_size },
	{ VIRTIO_PCI_COMMON_Q_MSIX, 2, read_queue_vector, write_queue_vector },
	{ VIRTIO_PCI_COMMON_Q_ENABLE, 2, read_queue_enable, write_queue_enable },
	{ VIRTIO_PCI_COMMON_Q_NOFF, 2, read_notify_offset, NULL },
};

/* Drivers access a field as a whole, an address by halves (4.1.3.1); nothing else is answered. */
static const struct field *find_field(uint64_t offset, unsigned int size)
{
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (fields[i].offset == offset && fields[i].size == size)
			return &fields[i];
	}
	return NULL;
}

static bool is_address(uint64_t offset, unsigned int size)
{
	return offset >= VIRTIO_PCI_COMMON_Q_DESCLO && size == 4 && !(offset % 4);
}

static uint64_t common_read(struct virtio_pci *vp, uint64_t offset, unsigned int size)
{
	const struct field *field = find_field(offset, size);
	unsigned int at = (offset - VIRTIO_PCI_COMMON_Q_DESCLO) / 4;

	if (field)
		return field->read(vp);
	return is_address(offset, size) ? read_address(vp, at / 2, at % 2) : 0;
}

static void common_write(struct virtio_pci *vp, uint64_t offset, unsigned int size, uint64_t value)
{
	const struct field *field = find_field(offset, size);
	unsigned int at = (offset - VIRTIO_PCI_COMMON_Q_DESCLO) / 4;

	if (field && field->write)
		field->write(vp, value);
	else if (is_address(offset, size))
		write_address(vp, at / 2, at % 2, value);
}

static void no_write(struct virtio_pci *vp, uint64_t offset, unsigned int size, uint64_t value)
{
	(void)vp;
	(void)offset;
	(void)size;
	(void)value;
}

/* Reading takes the causes and lets go of the line (4.1.4.5). */
static uint64_t isr_read(struct virtio_pci *vp, uint64_t offset, unsigned int size)
{
	uint8_t isr = vp->isr;

	(void)size;
	if (offset)
		return 0;
	vp->isr = 0;
	pci_device_set_intx(&vp->pci, false);
	return isr;
}

static uint64_t device_config_read(struct virtio_pci *vp, uint64_t offset, unsigned int size)
{
	uint64_t value = 0;

	if (offset < vp->device->config_size && size <= vp->device->config_size - offset)
		memcpy(&value, vp->device->config + offset, size);
	return value;
}

static void device_config_write(struct virtio_pci *vp, uint64_t offset, unsigned int size,
				uint64_t value)
{
	struct virtio_device *device = vp->device;

	if (device->ops->config_written && offset < device->config_size &&
	    size <= device->config_size - offset)
		device->ops->config_written(device, offset, &value, size);
}

static uint64_t notify_read(struct virtio_pci *vp, uint64_t offset, unsigned int size)
{
	(void)vp;
	(void)offset;
	(void)size;
	return 0;
}

/* Where the hypervisor has no doorbell. The address says which queue; what is written is the same. */
static void notify_write(struct virtio_pci *vp, uint64_t offset, unsigned int size, uint64_t value)
{
	unsigned int i = offset / NOTIFY_STRIDE;

	(void)size;
	(void)value;
	if (i < vp->device->queue_count)
		virtio_queue_kick(&vp->device->queues[i]);
}

struct region {
	uint32_t start, len;
	uint64_t (*read)(struct virtio_pci *vp, uint64_t offset, unsigned int size);
	void (*write)(struct virtio_pci *vp, uint64_t offset, unsigned int size, uint64_t value);
};

/* With the device's lock held. */
static const struct region regions[] = {
	{ COMMON_START, COMMON_LEN, common_read, common_write },
	{ ISR_START, ISR_LEN, isr_read, no_write },
	{ CONFIG_START, CONFIG_LEN, device_config_read, device_config_write },
	{ NOTIFY_START, NOTIFY_LEN, notify_read, notify_write },
};

static const struct region *find_region(uint64_t offset, unsigned int size)
{
	for (size_t i = 0; i < sizeof(regions) / sizeof(regions[0]); i++) {
		const struct region *region = &regions[i];

		if (offset >= region->start && offset - region->start < region->len &&
		    size <= region->len - (offset - region->start))
			return region;
	}
	return NULL;
}

static uint64_t bar_read(void *opaque, uint64_t offset, unsigned int size)
{
	const struct region *region = find_region(offset, size);
	struct virtio_pci *vp = opaque;
	uint64_t value = 0;

	if (offset >= PBA_START)
		return msix_pba_read(&vp->msix, offset - PBA_START, size);
	if (offset >= TABLE_START)
		return msix_table_read(&vp->msix, offset - TABLE_START, size);
	pthread_mutex_lock(&vp->device->lock);
	if (region)
		value = region->read(vp, offset - region->start, size);
	pthread_mutex_unlock(&vp->device->lock);
	return value;
}

static void bar_write(void *opaque, uint64_t offset, unsigned int size, uint64_t value)
{
	const struct region *region = find_region(offset, size);
	struct virtio_pci *vp = opaque;

	if (offset >= TABLE_START && offset < PBA_START)
		msix_table_write(&vp->msix, offset - TABLE_START, size, value);
	if (!region)
		return;
	pthread_mutex_lock(&vp->device->lock);
	region->write(vp, offset - region->start, size, value);
	pthread_mutex_unlock(&vp->device->lock);
}

static const struct bus_ops bar_ops = { .read = bar_read, .write = bar_write };

static void bar_moved(struct pci_device *pci, unsigned int bar)
{
	struct virtio_pci *vp = from_pci(pci);

	pthread_mutex_lock(&vp->device->lock);
	vp->address = pci->bars[bar].address;
	move_doorbells(vp);
	pthread_mutex_unlock(&vp->device->lock);
}

/*
 * The window for firmware that cannot map the BAR: pci_cfg_data is the place in BAR 0 that offset and
 * length name (4.1.4.9). False when the access is not one to it, or names no place.
 */
static bool window_target(struct virtio_pci *vp, unsigned int offset, unsigned int size,
			  uint32_t *at, unsigned int *len)
{
	const uint8_t *cap = vp->pci.config + vp->window;
	unsigned int data = vp->window + sizeof(struct virtio_pci_cap);

	*at = pci_config_get(cap, offsetof(struct virtio_pci_cap, offset), 4);
	*len = pci_config_get(cap, offsetof(struct virtio_pci_cap, length), 4);
	return offset <= data && offset + size > data &&
	       pci_config_get(cap, offsetof(struct virtio_pci_cap, bar), 1) == BAR &&
	       (*len == 1 || *len == 2 || *len == 4) && *at <= BAR_SIZE - *len && !(*at % *len);
}

static void config_before_read(struct pci_device *pci, unsigned int offset, unsigned int size)
{
	struct virtio_pci *vp = from_pci(pci);
	unsigned int data = vp->window + sizeof(struct virtio_pci_cap), len;
	uint32_t at;

	if (window_target(vp, offset, size, &at, &len))
		pci_config_set(pci->config, data, len, bar_read(vp, at, len));
}

static void config_written(struct pci_device *pci, unsigned int offset, unsigned int size)
{
	struct virtio_pci *vp = from_pci(pci);
	unsigned int data = vp->window + sizeof(struct virtio_pci_cap), len;
	uint32_t at;

	if (window_target(vp, offset, size, &at, &len))
		bar_write(vp, at, len, pci_config_get(pci->config, data, len));
	msix_config_written(&vp->msix, pci);
}

static const struct pci_device_ops pci_ops = {
	.moved = bar_moved,
	.before_read = config_before_read,
	.written = config_written,
};

static unsigned int add_capability(struct pci_device *pci, uint8_t type, uint32_t start,
				   uint32_t len, unsigned int extra)
{
	unsigned int size = sizeof(struct virtio_pci_cap) + extra;
	unsigned int at = pci_device_add_capability(pci, PCI_CAP_ID_VNDR, size);
	uint8_t *cap = pci->config + at;

	cap[offsetof(struct virtio_pci_cap, cap_len)] = size;
	cap[offsetof(struct virtio_pci_cap, cfg_type)] = type;
	cap[offsetof(struct virtio_pci_cap, bar)] = BAR;
	pci_config_set(cap, offsetof(struct virtio_pci_cap, offset), 4, start);
	pci_config_set(cap, offsetof(struct virtio_pci_cap, length), 4, len);
	return at;
}

static void add_capabilities(struct virtio_pci *vp)
{
	struct pci_device *pci = &vp->pci;
	uint8_t *writable = pci->writable;
	unsigned int at;

	add_capability(pci, VIRTIO_PCI_CAP_COMMON_CFG, COMMON_START, COMMON_LEN, 0);
	at = add_capability(pci, VIRTIO_PCI_CAP_NOTIFY_CFG, NOTIFY_START,
			    NOTIFY_STRIDE * vp->device->queue_count, 4);
	pci_config_set(pci->config, at + sizeof(struct virtio_pci_cap), 4, NOTIFY_STRIDE);
	add_capability(pci, VIRTIO_PCI_CAP_ISR_CFG, ISR_START, ISR_LEN, 0);
	if (vp->device->config_size)
		add_capability(pci, VIRTIO_PCI_CAP_DEVICE_CFG, CONFIG_START, CONFIG_LEN, 0);
	at = add_capability(pci, VIRTIO_PCI_CAP_PCI_CFG, 0, 0, 4);
	vp->window = at;
	pci_config_set(writable, at + offsetof(struct virtio_pci_cap, bar), 1, 0xff);
	pci_config_set(writable, at + offsetof(struct virtio_pci_cap, offset), 4, 0xffffffff);
	pci_config_set(writable, at + offsetof(struct virtio_pci_cap, length), 4, 0xffffffff);
	pci_config_set(writable, at + sizeof(struct virtio_pci_cap), 4, 0xffffffff);
}

int virtio_pci_create(struct virtio_pci *vp, struct virtio_pci_host *host,
		      struct virtio_device *device, unsigned int slot, struct error *err)
{
	const struct pci_identity identity = {
		.vendor = VENDOR,
		.device = DEVICE_BASE + device->ops->id,
		.subsystem_vendor = VENDOR,
		.subsystem = DEVICE_BASE + device->ops->id,
		.class_code = device->ops->class_code,
		.revision = REVISION,
		.intx = true,
	};

	*vp = (struct virtio_pci){
		.host = host,
		.device = device,
		.config_vector = VIRTIO_MSI_NO_VECTOR,
	};
	pci_device_init(&vp->pci, &identity, &pci_ops);
	pci_device_add_bar(&vp->pci, BAR, BAR_SIZE, &bar_ops, vp);
	/* A vector for each queue, and one for the configuration. */
	if (msix_init(&vp->msix, &vp->pci, host->router, device->queue_count + 1, BAR, TABLE_START,
		      PBA_START))
		return error_set(err, EXIT_FAILED, "no memory for a device's interrupts");
	add_capabilities(vp);
	if (pci_host_plug(host->pci, &vp->pci, slot)) {
		msix_destroy(&vp->msix);
		return error_set(err, EXIT_USAGE, "PCI slot %u cannot be used", slot);
	}
	device->transport = vp;
	device->interrupt_queue = interrupt_queue;
	device->interrupt_config = interrupt_config;
	return 0;
}

void virtio_pci_destroy(struct virtio_pci *vp)
{
	msix_destroy(&vp->msix);
}
