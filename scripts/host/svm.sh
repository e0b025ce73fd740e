# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154,SC2034
# The svm test host: QEMU without KVM emulates an EPYC with SVM and nested paging.

default_timeout=300
payload_modules=$kvm_modules

boot() {
  cat "$base" "$run/payload" >"$run/initrd"
  "${supervise[@]}" --boot-timeout 120 -- \
    qemu-system-x86_64 -nodefaults -no-user-config -no-reboot -display none \
    -machine pc -accel "tcg,thread=$threads" -cpu EPYC,+svm,+npt -smp "$cpus" -m "$memory" \
    -kernel "$krel_dir/vmlinuz" -initrd "$run/initrd" -append "$arguments$append" \
    -chardev file,id=wire,path=/dev/fd/1 -device isa-debugcon,iobase=0xe9,chardev=wire \
    -serial "file:$run/console" -chardev "serial,id=line,path=$run/tty" -serial chardev:line
}
