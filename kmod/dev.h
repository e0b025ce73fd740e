/* SPDX-License-Identifier: GPL-2.0-only */
/* /dev/vmm: what the module as a whole says of itself. */
#ifndef VMM_DEV_H
#define VMM_DEV_H

#include <linux/types.h>

/* KVM_CHECK_EXTENSION, on /dev/vmm and on a VM: 0 for what is not there. */
long dev_check_extension(unsigned long cap);

/* A vCPU's mapping: struct kvm_run, the page of port data, and the VM's ring of coalesced I/O. */
#define VCPU_MMAP_PAGES 3
#define VCPU_PIO_PAGE 1
#define VCPU_RING_PAGE 2
#define VCPU_OWN_PAGES 2 /* of these, the vCPU's */

#endif
