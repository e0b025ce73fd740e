# A Linux guest that reboots, each way that it knows, and one that cannot go on: told apart.

plan 4

boot() { run_vmm --kernel vmlinuz-6.1 --initrd initramfs.cpio --memory 256M --append "$linux_args $1" --cpus "$2"; }
ended() { status_is "$1" && message_is "$2"; }

boot "guest=reboot" 2
ok "reboot through ACPI's reset register: status 3" ended 3 "vmm: the guest asked for a reboot"
boot "guest=reboot reboot=k" 1
ok "reboot through the keyboard controller: status 3" ended 3 "vmm: the guest asked for a reboot"
boot "guest=reboot reboot=t" 1
ok "reboot=t is a triple fault: status 4" ended 4 "vmm: the guest's CPU shut down after a triple fault"
boot "guest=panic" 1
panicked() { ended 3 "vmm: the guest asked for a reboot" && says "Kernel panic"; }
ok "a panic is on the console, and panic=-1 reboots" panicked

finish
