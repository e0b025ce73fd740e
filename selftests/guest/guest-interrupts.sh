# A Linux guest that is told to do without some of the interrupt controllers: 8259A and 8254 alone, with
# the local APICs, xAPIC mode, and their timer in one-shot and periodic mode.

plan 6

boot() {
  run_vmm --kernel vmlinuz-6.1 --initrd initramfs.cpio --memory 256M --cpus 2 \
    --append "$linux_args guest=poweroff $1"
}
ran_with() { says "GUEST-READY cpus=$1 " && status_is 0 && no_message; }

boot "nolapic"
ok "PIC and PIT alone, which means one CPU" ran_with 1
boot "noapic"
ok "PIC beside the local APICs" ran_with 2
boot "nox2apic"
ok "xAPIC mode" ran_with 2
boot "lapic=notscdeadline"
ok "x2APIC mode with a one-shot timer" ran_with 2
boot "lapic=notscdeadline nohz=off highres=off nox2apic"
ok "xAPIC mode with a periodic timer" ran_with 2
boot "noapic nox2apic lapic=notscdeadline nohz=off highres=off"
ok "all of that without the I/O APIC" ran_with 2

finish
