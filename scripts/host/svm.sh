# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154,SC2034,SC2054
# The svm test host: QEMU without KVM emulates an EPYC with SVM and nested paging.

default_timeout=300
payload_modules=$kvm_modules

# The machine's memory is a file. What is saved is that file and what QEMU writes when it migrates without memory;
# a run has a copy of the file, with its payload in it.

# qemu RAM ARGS...: RAM is the file that is the machine's memory.
qemu() {
  local ram=$1
  shift
  command=(qemu-system-x86_64 -nodefaults -no-user-config -no-reboot -display none
    -machine pc,memory-backend=ram -accel "tcg,thread=$threads" -cpu "$cpu" -smp "$cpus"
    -m "$((memory + payload_room))"
    -object "memory-backend-file,id=ram,size=$((memory + payload_room))M,mem-path=$ram,share=on"
    -chardev file,id=wire,path=/dev/fd/1 -device isa-debugcon,iobase=0xe9,chardev=wire
    -serial "file:$run/console" -chardev "serial,id=line,path=$run/tty" -serial chardev:line
    -chardev stdio,id=monitor -mon monitor "$@")
}

make_state() {
  local command
  lock_state || return 0
  qemu "$state/ram" -kernel "$krel_dir/vmlinuz" -initrd "$base" -append "$arguments$append"
  supervised "$build/supervise" --dir "$run" --boot-timeout 300 --timeout 300 --save \
    --when-ready "migrate_set_capability x-ignore-shared on
migrate \"exec:cat >$state/machine\"
quit
" -- "${command[@]}" || return
  [ -s "$state/machine" ] || fail "QEMU did not save the machine"
  state_done
}

boot() {
  local command
  find_state "$cpu $threads $(cat "$top/scripts/host/svm.sh")"
  until hold_state; do make_state || return; done
  touch "$state"
  cp --sparse=always "$state/ram" "$run/ram"
  payload_header >"$run/payload.header"
  dd if="$run/payload.header" of="$run/ram" bs=1M seek=$((payload_address >> 20)) conv=notrunc status=none
  dd if="$run/payload" of="$run/ram" bs=4096 seek=$(((payload_address >> 12) + 1)) conv=notrunc status=none
  qemu "$run/ram" -incoming defer
  "${supervise[@]}" --boot-timeout 60 --when-started "migrate_set_capability x-ignore-shared on
migrate_incoming \"exec:cat $state/machine\"
" --when-silent "info registers -a
info registers -a
" -- "${command[@]}"
}
