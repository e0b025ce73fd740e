# SPDX-License-Identifier: GPL-2.0-only
# `make help` says what there is. Everything that is built goes to build/.

KERNEL ?= 6.1
PREFIX ?= /usr/local
MAKEFLAGS += --no-print-directory

top := $(CURDIR)
out := $(top)/build

all: module launcher ## vmm.ko (KERNEL=6.1|6.12) and the launcher

module: ## build/module-KERNEL/vmm.ko, out of tree against Debian's headers
	@scripts/module $(KERNEL)

sparse: ## check the module with sparse, on both kernels
	@scripts/module 6.1 sparse
	@scripts/module 6.12 sparse

launcher: ## build/vmm
	@$(MAKE) -C launcher

unit: ## the unit tests only; TESTS=pattern
	@$(MAKE) -C selftests/unit run

selftests: ## the programs that run in the test hosts
	@$(MAKE) -C selftests/kvm_abi
	@$(MAKE) -C selftests/guest

check: ## all tests; narrow with HOST=svm|vmx KERNEL=6.1|6.12 TESTS=pattern
	@HOST=$(HOST) KERNEL=$(KERNEL) TESTS='$(TESTS)' scripts/check

check-kvm-selftests: ## KVM's own selftests on ours and on KVM, side by side; TESTS=pattern
	@scripts/kvm-selftests run '$(TESTS)'

check-sanitize: ## the selftests in an svm host whose kernel has KASAN, UBSAN, lockdep, kmemleak; TESTS=pattern
	@KERNEL=sanitize TESTS='$(TESTS)' scripts/check

bench: module ## exits and VMs measured on KVM and on ours, exits of a boot, in the vmx host; BENCH=--tsv
	@$(MAKE) -s -C launcher >&2
	@$(MAKE) -s -C selftests/bench >&2
	@scripts/testhost --host vmx --kernel $(KERNEL) --kvm --vmm --copy build/selftests/bench -- ./bench $(BENCH)
	@scripts/testhost --host vmx --kernel $(KERNEL) --kvm --vmm --copy selftests/bench/boot-exits.sh --copy build/vmm \
		--copy build/guest/initramfs.cpio --copy build/kernel/6.1/vmlinuz -- sh ./boot-exits.sh $(BENCH)

fuzz: module selftests ## libFuzzer for FUZZ_SECONDS each, the fuzzers in the svm host; RUNS=N seeds from FUZZ_SEED=N on
	@RUNS='$(RUNS)' FUZZ_SEED='$(FUZZ_SEED)' scripts/fuzz

demo: ## boot Debian in a VM on /dev/vmm, on this terminal; DEMO_HOST=svm|vmx|native
	@scripts/demo

format: ## what clang-format would change
	@clang-format --dry-run --Werror $$(git ls-files 'kmod/*.[ch]' 'launcher/*.[ch]' 'selftests/*.[ch]' 'scripts/*.[ch]' 'include/*.h')

setup: ## install the Debian packages that all this needs (as root)
	@scripts/setup

# The module for the running kernel, from its own headers; the test hosts' kernels are never installed.
install: launcher ## module, udev rule, launcher: DESTDIR, PREFIX
	@scripts/module running
	install -D -m 644 $(out)/module-running/vmm.ko \
		$(DESTDIR)/lib/modules/$(shell uname -r)/updates/vmm.ko
	install -D -m 644 packaging/60-vmm.rules $(DESTDIR)/usr/lib/udev/rules.d/60-vmm.rules
	install -D -m 755 $(out)/vmm $(DESTDIR)$(PREFIX)/bin/vmm
	[ -n "$(DESTDIR)" ] || depmod

clean: ## all that was built; the unpacked kernels stay
	rm -rf $(out)/module-* $(out)/unit $(out)/selftests $(out)/guest $(out)/launcher \
		$(out)/vmm $(out)/testhost $(out)/check $(out)/demo $(out)/fuzz $(out)/broken

distclean: ## build/ altogether
	rm -rf $(out)

help: ## this text
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-20s%s\n", $$1, $$2 }' Makefile

.PHONY: all module sparse launcher unit selftests check check-sanitize check-kvm-selftests bench fuzz demo format setup install clean distclean help
