# How a running machine is stopped from outside, and what stays behind: nothing.

plan 12

# A guest that spins and one that sleeps: both must leave at once.
start() {
  start_vmm --kernel tiny --memory 32M --append "$1" </dev/null
}

stopped() {
  status_is "$1" && message_is "$2"
}

does() { case $1 in s) echo spins ;; h) echo sleeps ;; esac }

# stop_both SIGNAL STATUS
stop_both() {
  for action in s h; do
    start $action
    case $action in
    s) sleep "$slowness" ;;
    h) wait_for ready out 10 ;;
    esac
    kill -"$1" "$vmm_pid"
    join_vmm
    ok "SIG$1 ends a guest that $(does $action)" stopped "$2" "vmm: stopped by SIG$1"
  done
}

stop_both TERM 143
stop_both INT 130
stop_both HUP 129
stop_both QUIT 131

in_use() {
  module=${device#/dev/}
  sed -n "s/^$module [0-9]* \([0-9]*\) .*/\1/p" /proc/modules
}

before=$(in_use)
start s
sleep "$slowness"
kill -KILL "$vmm_pid"
join_vmm
ok "SIGKILL ends it" status_is 137
nothing_left() { [ "$(in_use)" = "$before" ] && ! pidof vmm >/dev/null; }
sleep "$slowness"
ok "SIGKILL leaves no process and no use of the module" nothing_left

# The escape works without a terminal too, and while the guest does not read.
printf '\001x' >keys
status=0
./vmm run --device "$device" --kernel tiny --memory 32M --append s <keys >out 2>err || status=$?
ok "Ctrl-a x stops it: status 0" stopped 0 "vmm: stopped by Ctrl-a x"

# An end of input is no end of the guest.
printf '\001\001q' >keys
status=0
./vmm run --device "$device" --kernel tiny --memory 32M --append e <keys >out 2>err || status=$?
echoed_escape() { status_is 0 && no_message && [ "$(sed 1d out)" = "$(printf '\001q')" ]; }
ok "Ctrl-a Ctrl-a reaches the guest as one" echoed_escape

finish
