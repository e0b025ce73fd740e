/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * The user-space interface of vmm.ko. It is KVM's, version 12, with the numbers and structures of <linux/kvm.h>; what
 * it has of that interface is told by KVM_CHECK_EXTENSION and in docs/abi.md. Calls of our own, for what KVM has no
 * call for, will have an ioctl type of their own; there are none yet.
 */
#ifndef _UAPI_LINUX_VMM_H
#define _UAPI_LINUX_VMM_H

#include <linux/kvm.h>

#define VMM_DEVICE "/dev/vmm"

#endif
