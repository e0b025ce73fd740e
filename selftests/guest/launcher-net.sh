# virtio-net on a tap interface: addresses, pings of all sizes, TCP both ways with segmentation left to the host.

plan 12

dd if=/dev/urandom of=sent bs=1M count=4 2>/dev/null
sum() { md5sum | cut -d ' ' -f 1; }

cat >guest.sh <<'END'
sum() { md5sum | cut -d ' ' -f 1; }
echo "mac $(cat /sys/class/net/eth0/address)"
ip link set lo up
ip link set eth0 up
ip addr add 10.9.8.2/24 dev eth0
ping -c 1 -w 20 10.9.8.1 >/dev/null && echo "ping"
ping -c 1 -w 20 -s 9000 10.9.8.1 >/dev/null && echo "large ping"
dd if=/dev/urandom of=/random bs=1M count=4 2>/dev/null
echo "sent $(sum </random)"
# Bytes and packets since the last call.
count() {
  read -r bytes </sys/class/net/eth0/statistics/"$1_bytes"
  read -r packets </sys/class/net/eth0/statistics/"$1_packets"
  echo "$1 $((bytes - last_bytes)) $((packets - last_packets))"
  last_bytes=$bytes last_packets=$packets
}
count rx >/dev/null
echo "got $(wget -q -O - http://10.9.8.1:5001/sent | sum)"
count rx
count tx >/dev/null
httpd -p 5002 -h /
for i in $(seq 100); do
  wget -q -O /dev/null http://10.9.8.1:5001/fetched && break
  sleep 0.2
done
count tx
echo "done"
END

value() { sed -n "s/^$1 //p" out | tr -d '\r'; }
line() { tr -d '\r' <out | grep -qx "$1"; }

# The host's side, once the interface is there.
{
  until [ -e /sys/class/net/vmtap0 ]; do sleep 0.1; done
  ip addr add 10.9.8.1/24 dev vmtap0
  ip link set vmtap0 up
  httpd -f -p 5001 -h . &
  server=$!
  for i in $(seq 200); do
    wget -q -O received http://10.9.8.2:5002/random && break
    sleep 0.2
  done
  : >fetched
  while [ -e /sys/class/net/vmtap0 ]; do sleep 0.1; done
  kill $server
} 2>side &
side=$!
run_virtio_guest "" --memory 256M --net vmtap0,mac=52:54:00:0a:0b:0c
wait $side
evidence="out err side"
ended() { status_is 0 && no_message && line "done"; }
ok "the guest comes to its end" ended
mac() { [ "$(value mac)" = 52:54:00:0a:0b:0c ]; }
ok "its address is the one that was given" mac
ok "ping" line ping
ok "ping of 9000 bytes" line "large ping"
to_guest() { [ "$(value got)" = "$(sum <sent)" ]; }
ok "4 MiB arrive in the guest" to_guest
to_host() { [ "$(value sent)" = "$(sum <received)" ]; }
ok "4 MiB arrive in the host" to_host
# More bytes to a packet than fit on a wire: neither kernel split them.
segments() {
  value "$1" | {
    read -r bytes packets
    [ "$bytes" -gt 4000000 ] && [ $((bytes / packets)) -gt 1514 ]
  }
}
ok "segments come whole, into merged buffers" segments rx
ok "and leave whole" segments tx
gone() { ! [ -e /sys/class/net/vmtap0 ]; }
ok "the interface goes with the machine" gone

evidence="out err"
refused() {
  sentence=$1
  shift
  run_vmm --kernel vmlinuz-6.1 "$@"
  status_is 2 && message_is "vmm: $sentence"
}
ok "a name that is none" refused '--net "a/b": is no name for an interface' --net a/b
ok "an interface that is no tap" refused '--net "lo": is no tap interface, or not one for one queue' --net lo
ok "an address that is none" refused \
  '--net mac "53:00:00:00:00:00": must be like 52:54:00:12:34:56, its first byte even' --net t,mac=53:00:00:00:00:00

finish
