#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Exits by reason while Debian's kernel boots to init and powers off in `vmm run`, on KVM and on vmm.ko. Runs in the
# vmx test host, beside vmm, vmlinuz and initramfs.cpio. Both modules trace each exit with VMX's reason in it, and the
# kernel counts them (Documentation/trace/histogram.rst): nobody has to look before the VM is gone.

tsv=
case $* in
'') ;;
--tsv) tsv=1 ;;
*) echo "usage: boot-exits.sh [--tsv]" >&2; exit 2 ;;
esac

# count_boot DEVICE TRACEPOINT FIELD OUT: lines "reason count" in OUT.
count_boot() {
  event=/sys/kernel/tracing/events/$2
  echo "hist:keys=$3" >"$event/trigger" || return
  ./vmm run --device "$1" --kernel vmlinuz --initrd initramfs.cpio --memory 256M </dev/null >console 2>&1 \
    --append "console=ttyS0 quiet nokaslr mitigations=off cryptomgr.notests panic=-1 guest=poweroff"
  status=$?
  # A reason that found no room in the table would be missing.
  sed -n "s/^{ $3: *\([0-9]*\) } hitcount: *\([0-9]*\).*/\1 \2/p; s/^ *Dropped: 0$/complete/p" "$event/hist" >"$4"
  echo "!hist:keys=$3" >"$event/trigger"
  if [ $status != 0 ] || ! grep -q GUEST-READY console || ! grep -q complete "$4"; then
    echo "boot-exits: $1: no complete boot, vmm's status $status" >&2
    tail -n 20 console >&2
    return 1
  fi
}

count_boot /dev/kvm kvm/kvm_exit exit_reason kvm || exit
count_boot /dev/vmm vmm/vmm_exit reason ours || exit

# Rows, and the basic exit reasons (SDM vol 3, appendix C) that are counted in each; all others in the last one.
cat >rows <<'END'
cpuid:10
host interrupt:1
memory:48 49
pio:30
wrmsr:32
rdmsr:31
pause:40
irq window:7
cr or dr:28 29
hlt:12
preemption timer:52
other:
END

awk -v tsv=$tsv '
  function row(name, kvm, vmm) {
    printf tsv ? "%s\t%s\t%s\n" : "%-46s %9s %9s\n", name, kvm, vmm
  }
  FILENAME == "rows" {
    split($0, part, ":")
    name[++rows] = part[1]
    for (i = split(part[2], reasons, " "); i > 0; i--)
      row_of[reasons[i]] = rows
    next
  }
  $1 != "complete" {
    count[FILENAME, $1 in row_of ? row_of[$1] : rows] += $2
    all[FILENAME] += $2
  }
  END {
    print ""
    row("exit", "kvm", "vmm")
    for (i = 1; i <= rows; i++)
      row(name[i], count["kvm", i] + 0, count["ours", i] + 0)
    row("all", all["kvm"], all["ours"])
    if (!tsv)
      print "While Debian\047s 6.1 kernel boots to init and powers off: 256 MiB, one vCPU, no disk or network."
  }' rows kvm ours
