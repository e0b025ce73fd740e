/* SPDX-License-Identifier: GPL-2.0-only */
/* KVM_GET_STATS_FD: the counters of a VM or vCPU as a file that tools read. */
#ifndef VMM_BINARY_STATS_H
#define VMM_BINARY_STATS_H

/* Rows of an ioctl table: a descriptor, which holds the VM, or -errno. */
long binary_stats_vm(void *object, unsigned long arg);
long binary_stats_vcpu(void *object, unsigned long arg);

#endif
