# A shell on the guest's serial console, both ways, with Linux's driver and its interrupts.

plan 5

mkfifo keys
exec 3<>keys # both ways: opening one end waits for the other
start_vmm --kernel vmlinuz-6.1 --initrd initramfs.cpio --memory 256M --append "$linux_args" <keys
booted() { wait_for 'poweroff ends it' out 300; }
ok "the shell comes up" booted

# Typed text comes back (the guest's terminal echoes it), and the command's output after it.
echo 'echo result is $((6 * 7))' >&3
ok "a command's output arrives" wait_for 'result is 42' out 60
echoed() { grep -q 'echo result is \$((6 \* 7))' out; }
ok "what is typed is echoed" echoed

# 2,000 lines: many FIFOs full, by interrupts. Every line must be there, whole and in order.
echo 'seq 10001 12000; echo all "done"' >&3
complete() {
  wait_for 'all done' out 120 &&
    tr -d '\r' <out | grep -x '1[0-9][0-9][0-9][0-9]' >got && seq 10001 12000 | cmp -s - got
}
ok "2,000 lines arrive whole and in order" complete

echo poweroff >&3
join_vmm
clean_end() { status_is 0 && no_message; }
ok "poweroff typed at the shell ends it" clean_end
exec 3>&-

finish
