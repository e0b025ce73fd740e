# What a guest was told is flushed is in the image, whenever the launcher dies.

plan 3

truncate -s 16M disk

# Records of 4096 bytes, each flushed before its number is said.
cat >guest.sh <<'END'
i=0
while [ $i -lt 4000 ]; do
  printf '%04095d\n' $i | dd of=/dev/vda bs=4096 seek=$i oflag=direct conv=fsync,notrunc 2>/dev/null && echo "flushed $i"
  i=$((i + 1))
done
END

echo guest.sh | cpio -o -H newc 2>/dev/null >script.cpio
cat initramfs-virtio.cpio script.cpio >initrd
start_vmm --kernel vmlinuz-6.1 --initrd initrd --memory 256M --append "$linux_args guest=script" --disk disk </dev/null
many() { wait_for '^flushed 40' out 60; }
ok "records are written" many
kill -9 "$vmm_pid"
join_vmm
killed() { status_is 137; }
ok "the launcher is killed" killed

# The last line may be cut.
last=$(tr -d '\r' <out | sed '$d' | sed -n 's/^flushed //p' | tail -n 1)
all_there() {
  [ "${last:-0}" -ge 39 ] || return 1
  i=0
  while [ $i -le "$last" ]; do
    [ "$(dd if=disk bs=4096 skip=$i count=1 2>/dev/null | tr -d '\0')" = "$(printf '%04095d' $i)" ] || return 1
    i=$((i + 1))
  done
}
ok "every record that was flushed is in the image" all_there

finish
