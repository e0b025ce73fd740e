# virtio-console: ports that are sockets and files on the host, and random numbers. Every byte arrives, both ways.

plan 11

dd if=/dev/urandom of=sent bs=1k count=300 2>/dev/null
sum() { md5sum | cut -d ' ' -f 1; }

cat >guest.sh <<'END'
sum() { md5sum | cut -d ' ' -f 1; }
device() {
  for i in $(seq 50); do
    for port in /sys/class/virtio-ports/*; do
      [ "$(cat "$port/name")" != "$1" ] || { echo "/dev/${port##*/}"; return; }
    done
    sleep 0.1
  done
}
data=$(device data)
log=$(device log)
nowhere=$(device nowhere)
echo "ports $(cat /sys/class/virtio-ports/*/name | sort | tr '\n' ' ')"
echo "got $(head -c 307200 <"$data" | sum)"
dd if=/dev/urandom of=/random bs=1k count=500 2>/dev/null
cat /random >"$data"
echo "sent $(sum </random)"
cat /random >"$log"
echo "hello, console" >/dev/hvc0
dd if=/dev/zero of="$nowhere" bs=1k count=1 2>/dev/null &
cat /sys/class/misc/hw_random/rng_available
[ "$(dd if=/dev/hwrng bs=16 count=1 2>/dev/null | od -x)" != "$(dd if=/dev/hwrng bs=16 count=1 2>/dev/null | od -x)" ] &&
  echo "random $(dd if=/dev/hwrng bs=1k count=4 2>/dev/null | wc -c)"
echo "done"
END

value() { sed -n "s/^$1 //p" out | tr -d '\r'; }
line() { tr -d '\r' <out | grep -qx "$1"; }

./unixcat socket <sent >received &
reader=$!
run_virtio_guest "" --memory 256M --rng --port data,socket=socket --port log,file=log --port con,file=con,console \
  --port nowhere
ended() { status_is 0 && no_message && line "done"; }
ok "the guest comes to its end" ended
names() { [ "$(value ports)" = "con data log nowhere " ]; }
ok "ports have their names" names
to_guest() { [ "$(value got)" = "$(sum <sent)" ]; }
ok "300,000 bytes from a socket arrive" to_guest
wait $reader
to_host() { [ "$(value sent)" = "$(sum <received)" ]; }
ok "500,000 bytes to it arrive" to_host
to_file() { [ "$(value sent)" = "$(sum <log)" ]; }
ok "and to a file" to_file
hvc() { tr -d '\r' <con | grep -qx "hello, console"; }
ok "a console is a console" hvc
rng() { line "virtio_rng.0 *" && [ "$(value random)" = 4096 ]; }
ok "random numbers" rng
socket_gone() { ! [ -e socket ]; }
ok "the socket goes with the machine" socket_gone

evidence="out err"
run_vmm --kernel vmlinuz-6.1 --port x,socket=/nowhere/s
no_directory() { status_is 2 && message_is 'vmm: --port socket "/nowhere/s": No such file or directory'; }
ok "a socket in no directory" no_directory
run_vmm --kernel vmlinuz-6.1 --port x,socket=log
in_use() { status_is 2 && message_is 'vmm: --port socket "log": is there already; remove it if no machine uses it'; }
ok "a socket where something is" in_use
run_vmm --kernel vmlinuz-6.1 --port y,socket=left --port x,socket=s,file=f
both() { status_is 2 && message_is 'vmm: --port "x": has a socket or a file, not both' && ! [ -e left ]; }
ok "a socket and a file; nothing is left" both

finish
