# SPDX-License-Identifier: GPL-2.0-only
# What the module tells of itself: tracepoints and counters.

plan 3

trace=/sys/kernel/tracing
stats=/sys/kernel/debug/vmm
if [ "$device" != /dev/vmm ]; then
  for i in 1 2 3; do echo "ok $i - # SKIP vmm.ko only"; done
  exit 0
fi
evidence="out trace"
echo 1 >$trace/events/vmm/enable
./embed "$device" >out 2>&1
echo 0 >$trace/events/vmm/enable
cp $trace/trace trace
echo >$trace/trace
ok "an event for each exit: three OUTs and the HLT" [ "$(grep -c vmm_exit: trace)" -ge 4 ]
ok "an event for each return to userspace" [ "$(grep -c vmm_userspace: trace)" -ge 4 ]
ok "no VM is left in the counters" [ "$(cat $stats/vms $stats/vcpus | tr '\n' ' ')" = "0 0 " ]
finish
