// SPDX-License-Identifier: GPL-2.0-only
#include <linux/kvm.h>
#include <asm/cpufeature.h>
#include <asm/fpu/api.h>
#include <asm/fpu/types.h>
#include <asm/fpu/xcr.h>
#include <asm/processor-flags.h>

#include "compat.h"
#include "vcpu.h"
#include "x86/fpu.h"

/* PKRU has a register of its own to swap and AMX a size of its own: not given. */
#define ALLOWED_XCR0 \
	(XFEATURE_MASK_FP | XFEATURE_MASK_SSE | XFEATURE_MASK_YMM | XFEATURE_MASK_AVX512)

static u64 host_xcr0 __ro_after_init;

void fpu_init(void)
{
	if (boot_cpu_has(X86_FEATURE_OSXSAVE))
		host_xcr0 = xgetbv(XCR_XFEATURE_ENABLED_MASK);
}

u64 fpu_allowed_xcr0(void)
{
	return host_xcr0 & ALLOWED_XCR0;
}

int fpu_create(struct vcpu *vcpu)
{
	return fpu_alloc_guest_fpstate(&vcpu->fpu) ? 0 : -ENOMEM;
}

void fpu_destroy(struct vcpu *vcpu)
{
	fpu_free_guest_fpstate(&vcpu->fpu);
}

void fpu_enter(struct vcpu *vcpu)
{
	fpu_swap_kvm_fpstate(&vcpu->fpu, true);
}

void fpu_leave(struct vcpu *vcpu)
{
	fpu_swap_kvm_fpstate(&vcpu->fpu, false);
}

void fpu_enter_xcr0(struct vcpu *vcpu)
{
	xsetbv(XCR_XFEATURE_ENABLED_MASK, vcpu->xcr0);
}

void fpu_leave_xcr0(struct vcpu *vcpu)
{
	xsetbv(XCR_XFEATURE_ENABLED_MASK, host_xcr0);
}

void fpu_update_xcr0(struct vcpu *vcpu)
{
	vcpu->swap_xcr0 = host_xcr0 && vcpu->xcr0 != host_xcr0 && vcpu_cr4(vcpu) & X86_CR4_OSXSAVE;
}

static bool xcr0_valid(struct vcpu *vcpu, u64 value)
{
	u64 avx512 = value & XFEATURE_MASK_AVX512;

	if (value & ~(vcpu->has.xcr0 | XFEATURE_MASK_FP) || !(value & XFEATURE_MASK_FP))
		return false;
	if (value & XFEATURE_MASK_YMM && !(value & XFEATURE_MASK_SSE))
		return false;
	return !avx512 || (avx512 == XFEATURE_MASK_AVX512 && value & XFEATURE_MASK_YMM);
}

int fpu_set_xcr0(struct vcpu *vcpu, u64 value)
{
	if (!xcr0_valid(vcpu, value))
		return -EINVAL;
	vcpu->xcr0 = value;
	fpu_update_xcr0(vcpu);
	return 0;
}

/* -- vector registers, which are live in this thread -- */

static void registers_lock(void)
{
	fpregs_lock();
	if (test_thread_flag(TIF_NEED_FPU_LOAD))
		switch_fpu_return();
}

#define EACH_REGISTER(M) \
	M(0) M(1) M(2) M(3) M(4) M(5) M(6) M(7) M(8) M(9) M(10) M(11) M(12) M(13) M(14) M(15)

void fpu_read_vec(struct vcpu *vcpu, unsigned int n, void *buf, unsigned int len)
{
	registers_lock();
	switch (n) {
#define READ_VEC(i)                                                                      \
	case i:                                                                          \
		if (len == 32)                                                           \
			asm volatile("vmovdqu %%ymm" #i ", %0" : "=m"(*(u8(*)[32])buf)); \
		else                                                                     \
			asm volatile("movdqu %%xmm" #i ", %0" : "=m"(*(u8(*)[16])buf));  \
		break;
		EACH_REGISTER(READ_VEC)
#undef READ_VEC
	}
	fpregs_unlock();
}

/* VEX forms clear the bits above their operand, legacy SSE forms keep them (SDM vol 1, 14.1.1). */
void fpu_write_vec(struct vcpu *vcpu, unsigned int n, const void *buf, unsigned int len, bool clear)
{
	registers_lock();
	switch (n) {
#define WRITE_VEC(i)                                                                         \
	case i:                                                                              \
		if (len == 32)                                                               \
			asm volatile("vmovdqu %0, %%ymm" #i : : "m"(*(const u8(*)[32])buf)); \
		else if (clear)                                                              \
			asm volatile("vmovdqu %0, %%xmm" #i : : "m"(*(const u8(*)[16])buf)); \
		else                                                                         \
			asm volatile("movdqu %0, %%xmm" #i : : "m"(*(const u8(*)[16])buf));  \
		break;
		EACH_REGISTER(WRITE_VEC)
#undef WRITE_VEC
	}
	fpregs_unlock();
}

/* -- ioctls: the guest's state is in its container, no KVM_RUN is under way -- */

long fpu_get(void *object, void *data)
{
	struct vcpu *vcpu = object;
	const struct fxregs_state *fx = &vcpu->fpu.fpstate->regs.fxsave;
	struct kvm_fpu *fpu = data;

	memcpy(fpu->fpr, fx->st_space, sizeof(fpu->fpr));
	fpu->fcw = fx->cwd;
	fpu->fsw = fx->swd;
	fpu->ftwx = fx->twd;
	fpu->last_opcode = fx->fop;
	fpu->last_ip = fx->rip;
	fpu->last_dp = fx->rdp;
	memcpy(fpu->xmm, fx->xmm_space, sizeof(fpu->xmm));
	fpu->mxcsr = fx->mxcsr;
	return 0;
}

long fpu_set(void *object, void *data)
{
	struct vcpu *vcpu = object;
	struct xregs_state *xsave = &vcpu->fpu.fpstate->regs.xsave;
	struct fxregs_state *fx = &xsave->i387;
	const struct kvm_fpu *fpu = data;

	memcpy(fx->st_space, fpu->fpr, sizeof(fx->st_space));
	fx->cwd = fpu->fcw;
	fx->swd = fpu->fsw;
	fx->twd = fpu->ftwx;
	fx->fop = fpu->last_opcode;
	fx->rip = fpu->last_ip;
	fx->rdp = fpu->last_dp;
	memcpy(fx->xmm_space, fpu->xmm, sizeof(fx->xmm_space));
	/* A reserved MXCSR bit would fault in the kernel's own restore. */
	fx->mxcsr = fpu->mxcsr & mxcsr_feature_mask;
	if (boot_cpu_has(X86_FEATURE_XSAVE))
		xsave->header.xfeatures |= XFEATURE_MASK_FPSSE;
	return 0;
}

long fpu_get_xsave(void *object, void *data)
{
	struct vcpu *vcpu = object;

	fpu_copy_guest_fpstate_to_uabi(&vcpu->fpu, data, sizeof(struct kvm_xsave),
				       vcpu->has.xcr0 | XFEATURE_MASK_FPSSE, 0);
	return 0;
}

long fpu_set_xsave(void *object, void *data)
{
	struct vcpu *vcpu = object;
	u32 pkru;

	return fpu_copy_uabi_to_guest_fpstate(&vcpu->fpu, data,
					      vcpu->has.xcr0 | XFEATURE_MASK_FPSSE, &pkru);
}

long fpu_get_xcrs(void *object, void *data)
{
	struct kvm_xcrs *xcrs = data;
	struct vcpu *vcpu = object;

	if (!host_xcr0)
		return -EINVAL;
	xcrs->nr_xcrs = 1;
	xcrs->xcrs[0].xcr = XCR_XFEATURE_ENABLED_MASK;
	xcrs->xcrs[0].value = vcpu->xcr0;
	return 0;
}

long fpu_set_xcrs(void *object, void *data)
{
	const struct kvm_xcrs *xcrs = data;
	struct vcpu *vcpu = object;
	unsigned int i;

	if (!host_xcr0 || xcrs->nr_xcrs > KVM_MAX_XCRS || xcrs->flags)
		return -EINVAL;
	for (i = 0; i < xcrs->nr_xcrs; i++)
		if (xcrs->xcrs[i].xcr == XCR_XFEATURE_ENABLED_MASK)
			return fpu_set_xcr0(vcpu, xcrs->xcrs[i].value);
	return 0;
}
