# SPDX-License-Identifier: GPL-2.0-only
# A machine whose CPU has neither VMX nor SVM: the module says so in one line and is not loaded.

plan 4

evidence="out log"
status=0
insmod ./vmm.ko >out 2>&1 || status=$?
# insmod tries twice, by two system calls.
dmesg | sed -n '/taints kernel\|verification failed/d; s/.*\(vmm: .*\)/\1/p' | sort -u >log
says() { grep -q "$1" "$2"; }
ok "the module is refused" [ "$status" != 0 ]
ok "with ENODEV" says "No such device" out
ok "one line in dmesg says why" [ "$(cat log)" = "vmm: this CPU has neither VMX nor SVM" ]
ok "there is no device" [ ! -e /dev/vmm ]
finish
