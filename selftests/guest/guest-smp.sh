# A Linux guest with four CPUs on a host that has two: all of them work while three go offline and come back.

plan 6

cat >guest.sh <<'END'
# Processes, pipes and page faults on all CPUs: IPIs and TLB shootdowns between them.
work() {
  while [ ! -e /stop ]; do
    dd if=/dev/zero bs=64k count=16 2>/dev/null | md5sum >/work.$1
    echo >>/laps.$1
  done
}
for i in 1 2 3 4; do
  work $i &
done
turn() {
  for cpu in 1 2 3; do
    echo $1 >/sys/devices/system/cpu/cpu$cpu/online || echo "cpu$cpu does not go $1"
  done
}
rounds=0
while [ $rounds -lt 3 ]; do
  turn 0
  [ "$(nproc)" = 1 ] && turn 1 && [ "$(nproc)" = 4 ] && rounds=$((rounds + 1)) || break
done
echo "rounds $rounds"
for cpu in 0 1 2 3; do
  taskset $((1 << cpu)) sh -c 'i=0; while [ $i -lt 2000 ]; do i=$((i + 1)); done; echo on-cpu'
done
>/stop
wait
echo "sums $(cat /work.* | sort -u | cut -d ' ' -f 1)"
for i in 1 2 3 4; do [ -s /laps.$i ] && echo lapped; done
dmesg | grep -E 'BUG:|stall|lockup|not responding|stuck' && echo "complaints"
echo "script ends"
END
echo guest.sh | cpio -o -H newc 2>/dev/null >script.cpio
cat initramfs.cpio script.cpio >initrd

run_vmm --kernel vmlinuz-6.1 --initrd initrd --memory 256M --cpus 4 --append "$linux_args guest=script"

lines() { [ "$(tr -d '\r' <out | grep -c "^$1\$")" = "$2" ]; }
ended() { status_is 0 && no_message && says "script ends"; }

ok "the script ends, and with it the machine" ended
ok "three CPUs went offline and came back, three times" lines "rounds 3" 1
ok "each CPU runs what is bound to it" lines on-cpu 4
ok "all workers got on" lines lapped 4
ok "and computed the same" lines "sums b6d81b360a5672d80c27430f39153e2c" 1
complains() { says complaints; }
calm() { ! complains; }
ok "the guest's kernel has nothing to complain of" calm

finish
