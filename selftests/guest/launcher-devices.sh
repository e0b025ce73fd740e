# The devices and the ends of a machine, seen from a guest of two kilobytes (tiny.S) and by exit status.

plan 13

tiny() { run_vmm --kernel tiny --memory 32M --append "$@"; }
ended() { status_is "$1" && message_is "$2"; }
ended_quietly() { status_is 0 && no_message; }
said_good() { ended_quietly && [ "$(cat out)" = good ]; }

tiny p
ok "S5 powers off: status 0, no message" ended_quietly
tiny r
ok "reset register: status 3" ended 3 "vmm: the guest asked for a reboot"
tiny k
ok "keyboard controller's reset: status 3" ended 3 "vmm: the guest asked for a reboot"
tiny t
ok "triple fault: status 4" ended 4 "vmm: the guest's CPU shut down after a triple fault"
tiny t --cpus 2
ok "triple fault with a CPU that never started: status 4" ended 4 \
  "vmm: the guest's CPU shut down after a triple fault"
tiny z
ok "state at the entry point, RSDP, PM timer" said_good
tiny n
ok "addresses that nobody claims" said_good
tiny u
gave_up() {
  status_is 1 && [ "$(grep -c '^vmm: ' err)" = 1 ] && [ "$(grep -c '^rip ' err)" = 1 ] &&
    grep -qx 'vmm: vCPU 0: the hypervisor gave up on an instruction or event (internal error [0-9]*)' err
}
ok "an instruction that cannot be emulated: status 1, a sentence and the registers" gave_up
tiny a --cpus 2
ok "a second CPU starts at INIT and SIPI" said_good
status=0
./vmm run --device "$device" --kernel tiny --memory 32M --append z <&- >&- 2>&- || status=$?
ok "closed standard descriptors are nobody's" status_is 0
tiny n --memory 5G
ok "the hole below 4 GiB is no memory when there is more" said_good

# 100,000 bytes through a reader that starts late: nothing is lost, nothing comes twice.
evidence="err"
{
  status=0
  ./vmm run --device "$device" --kernel tiny --memory 32M --append f </dev/null 2>err || status=$?
  echo "$status" >rc
} | {
  sleep $((3 * slowness))
  sum=$(md5sum)
  echo "$sum" >sum
}
i=0
while [ $i -lt 100 ]; do
  printf '%s' 0123456789
  i=$((i + 1))
done >hundred
i=0
while [ $i -lt 100 ]; do
  cat hundred
  i=$((i + 1))
done | md5sum >expected
same_flood() { [ "$(cat rc)" = 0 ] && cmp -s sum expected; }
ok "100,000 bytes of output reach a late reader" same_flood

# Input: more than the FIFO (16) and the queue (4096) hold, through the guest's echo.
i=0
while [ $i -lt 500 ]; do
  printf '%09d\n' $i
  i=$((i + 1))
done >sent
echo q >>sent
evidence="err"
status=0
./vmm run --device "$device" --kernel tiny --memory 32M --append e <sent >out 2>err || status=$?
echoed() { ended_quietly && sed 1d out | tr -d '\n' >got && tr -d '\n' <sent >want && cmp -s got want; }
ok "5,000 bytes of input arrive" echoed

finish
