#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# TAP for the tests of the launcher: the Makefile puts this in front of each of them. They run in a test
# host under busybox, in a directory with vmm and what selftests/manifest says that they need.

# A directory of its own, with what was copied: other tests leave nothing for this one to trip over.
test_files=$PWD
test_dir=$(mktemp -d)
for file in "$test_files"/*; do
  ln -s "$file" "$test_dir/"
done
cd "$test_dir" || exit 1

device=${VMM_DEVICE:-/dev/vmm}
test_number=0
test_failures=0

plan() { echo "1..$1"; }

# ok NAME COMMAND...: the command's status decides. When it fails, the files named in $evidence are shown.
ok() {
  test_name=$1
  shift
  test_number=$((test_number + 1))
  if "$@"; then
    echo "ok $test_number - $test_name"
    return 0
  fi
  test_failures=$((test_failures + 1))
  echo "not ok $test_number - $test_name"
  echo "# failed: $*"
  for file in $evidence; do
    echo "# ---- $file"
    tail -n 20 "$file" 2>/dev/null | tr -d '\r' | sed 's/^/# /'
  done
  return 0
}

# skip NAME WHY
skip() {
  test_number=$((test_number + 1))
  echo "ok $test_number - $1 # SKIP $2"
}

finish() {
  cd / && rm -rf "$test_dir"
  [ "$test_failures" = 0 ]
  exit
}

# run_vmm ARGS...: with output in out, messages in err, and the status in $status.
run_vmm() {
  evidence="out err"
  status=0
  ./vmm run --device "$device" "$@" </dev/null >out 2>err || status=$?
}

# start_vmm ARGS...: in the background, as $vmm_pid; standard input is the caller's, which takes a detour
# because the shell gives a background command /dev/null.
start_vmm() {
  evidence="out err"
  exec 4<&0
  ./vmm run --device "$device" "$@" <&4 4<&- >out 2>err &
  vmm_pid=$!
  exec 4<&-
}

# run_virtio_guest MORE_KERNEL_ARGS ARGS...: Debian's 6.1 with virtio's modules runs guest.sh and powers off.
run_virtio_guest() {
  echo guest.sh | cpio -o -H newc 2>/dev/null >script.cpio
  cat initramfs-virtio.cpio script.cpio >initrd
  append="$linux_args guest=script $1"
  shift
  run_vmm --kernel vmlinuz-6.1 --initrd initrd --append "$append" "$@"
}

# join_vmm: its status in $status.
join_vmm() {
  status=0
  wait "$vmm_pid" || status=$?
}

# How much slower than others this host is; scripts/check says it.
slowness=${TEST_SLOWNESS:-1}

# wait_for PATTERN FILE SECONDS: until the file has a line like that.
wait_for() {
  waited=0
  until grep -q "$1" "$2" 2>/dev/null; do
    waited=$((waited + 1))
    [ "$waited" -le $(($3 * slowness * 5)) ] || return 1
    sleep 0.2
  done
}

# For Debian's kernels: what spares time.
linux_args="console=ttyS0 quiet nokaslr mitigations=off cryptomgr.notests panic=-1"

status_is() { [ "$status" = "$1" ]; }
message_is() { [ "$(cat err)" = "$1" ]; }
no_message() { [ ! -s err ]; }
says() { grep -q "$1" out; }
