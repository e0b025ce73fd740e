# Disks in a Debian guest: what it reads is what the host has, what it writes and flushes is there afterwards.

plan 17

mkdir fs
mke2fs /dev/ram0 >/dev/null 2>&1
mount -t ext4 /dev/ram0 fs || exit 1

dd if=/dev/urandom of=read bs=1M count=4 2>/dev/null
dd if=/dev/urandom of=write bs=1M count=8 2>/dev/null
dd if=/dev/zero of=fs/direct bs=1M count=8 2>/dev/null
cp read /dev/ram1
sum() { md5sum | cut -d ' ' -f 1; }

cat >guest.sh <<'END'
sum() { md5sum | cut -d ' ' -f 1; }
echo "addresses $(cd /sys/bus/pci/devices && echo *)"
echo "serial $(cat /sys/block/vdb/serial) size $(cat /sys/block/vdb/size)"
echo "readonly $(cat /sys/block/vda/ro)$(cat /sys/block/vdb/ro)"
echo "queues $(ls /sys/block/vdb/mq | wc -l)"
echo "read $(sum </dev/vda)"
echo x 2>/dev/null >/dev/vda || echo "refused"
echo "device $(dd if=/dev/vdd bs=1M count=4 2>/dev/null | sum)"
dd if=/dev/urandom of=/random bs=1k count=3000 2>/dev/null
dd if=/random of=/dev/vdb bs=1k seek=1001 conv=fsync,notrunc 2>/dev/null
echo "wrote $(sum </random)"
echo 1 >/proc/sys/vm/drop_caches
echo "reread $(dd if=/dev/vdb bs=1k skip=1001 count=3000 2>/dev/null | sum)"
echo "discard $(cat /sys/block/vdb/queue/discard_max_bytes) $(cat /sys/block/vdb/queue/write_zeroes_max_bytes)"
blkdiscard -o 6291456 -l 2097152 /dev/vdb && echo "discarded $(dd if=/dev/vdb bs=1M skip=6 2>/dev/null | tr -d '\0' | wc -c)"
mke2fs /dev/vdc >/dev/null 2>&1
mkdir /mnt
mount -t ext4 /dev/vdc /mnt && cp /random /mnt/a && cp -r /bin /mnt/ && sync && umount /mnt
echo 3 >/proc/sys/vm/drop_caches
mount -t ext4 /dev/vdc /mnt && echo "file $(sum </mnt/a)"
cmp /bin/busybox /mnt/bin/busybox && echo "compared"
umount /mnt
# Unaligned buffers are a matter of the guest's; small and large requests at once.
for i in 1 2 3 4; do
  dd if=/dev/vdc of=/dev/null bs=${i}k 2>/dev/null &
done
wait
grep -q 'PCI-MSI.*virtio.*req' /proc/interrupts && echo "msi"
grep -q 'IO-APIC.*virtio' /proc/interrupts && echo "intx"
echo "done"
END

value() { sed -n "s/^$1 //p" out | tr -d '\r'; }
has() { [ "$(value "$1")" = "$2" ]; }
line() { tr -d '\r' <out | grep -qx "$1"; }
ended() { status_is 0 && no_message && line "done"; }
run_disks() {
  run_virtio_guest "$@" --disk read,readonly --disk write,serial=a1b2 --disk fs/direct,direct \
    --disk /dev/ram1,readonly,aio=threads
}

before=$(du -k write | cut -f 1)
run_disks "" --memory 256M
evidence="out err"
ok "the guest comes to its end" ended
ok "addresses are those of the slots" has addresses \
  "0000:00:00.0 0000:00:10.0 0000:00:11.0 0000:00:12.0 0000:00:13.0"
ok "serial and size" has serial "a1b2 size 16384"
ok "read only is read only" has readonly 10
ok "a write to it is refused" line refused
ok "an image reads as it is" has read "$(sum <read)"
ok "a block device reads as it is" has device "$(sum <read)"
wrote=$(value wrote)
ok "written and read again" has reread "$wrote"
on_host() { [ "$(dd if=write bs=1k skip=1001 count=3000 2>/dev/null | sum)" = "$wrote" ]; }
ok "what was flushed is in the image" on_host
ok "discard and write zeroes are offered" has discard "1073741824 16777216"
ok "what was discarded reads as zeroes" has discarded 0
holes() { [ "$(du -k write | cut -f 1)" -le $((before - 1500)) ]; }
ok "and is a hole in the image" holes
ok "a file system on direct=on holds a file" has file "$wrote"
ok "and many" line compared
ok "interrupts are MSI-X" line msi

# The same on two CPUs with memory above the hole, and without MSI-X: INTA of each device.
run_disks pci=nomsi --memory 4G --cpus 2
ok "4 GiB, two queues, no MSI-X: it ends" ended
works() { line intx && ! line msi && has queues 2 && has read "$(sum <read)" && has file "$(value wrote)"; }
ok "and reads and writes the same" works

umount fs
finish
