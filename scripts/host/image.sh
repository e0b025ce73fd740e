# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154
# The initramfs of a test host: a base that is made once per kernel (busybox, init, KVM's modules), and a
# payload that is made for each run (what the command needs).

# The same files make the same archive, whenever and wherever: saved machines are found by what is in it.
pack() {
  (cd "$1" && find . -exec touch -h -d @0 {} + && find . -mindepth 1 | LC_ALL=C sort |
    cpio --quiet -o -H newc -R 0:0 --reproducible)
}

kvm_modules=
if [ -n "$kvm" ]; then
  case $host in
  svm) kvm_modules=$(printf '/modules/%s.ko\n' irqbypass kvm kvm-amd) ;;
  vmx) kvm_modules=$(printf '/modules/%s.ko\n' irqbypass kvm kvm-intel) ;;
  esac
fi

make_base() {
  local out=$1 newest tree
  newest=$build/init
  [ ! -e "$out" ] || [ "$newest" -nt "$out" ] || [ "$krel_dir/release" -nt "$out" ] ||
    [ "$top/scripts/host/image.sh" -nt "$out" ] || return 0
  tree=$run/base
  mkdir -p "$tree"/{bin,sbin,usr/bin,usr/sbin,dev,proc,sys,tmp,run,root,etc,test,testhost,modules,lib,lib64,mnt}
  cp /bin/busybox "$tree/bin/busybox"
  local applet
  for applet in $("$tree/bin/busybox" --list-full); do
    case $applet in
    linuxrc | init | bin/busybox) ;;
    *) ln -s /bin/busybox "$tree/$applet" ;;
    esac
  done
  cp "$build/init" "$tree/init"
  echo 'root:x:0:0:root:/root:/bin/sh' >"$tree/etc/passwd"
  printf 'root:x:0:\nkvm:x:104:\n' >"$tree/etc/group"
  echo "export PS1='\\h:\\w# '; hostname testhost" >"$tree/etc/profile"
  local m
  for m in virt/lib/irqbypass arch/x86/kvm/kvm arch/x86/kvm/kvm-amd arch/x86/kvm/kvm-intel; do
    # Without its signature, whose check takes an emulated CPU seconds.
    [ ! -e "$krel_dir/modules/kernel/$m.ko" ] ||
      strip --strip-debug -o "$tree/modules/${m##*/}.ko" "$krel_dir/modules/kernel/$m.ko"
  done
  pack "$tree" >"$out.$$"
  mv "$out.$$" "$out"
  rm -rf "$tree"
}

# Shared libraries of a program keep their place, so that its loader finds them.
copy_libraries() {
  local tree=$1 file=$2 library
  { ldd "$file" 2>/dev/null || true; } | sed -nE 's/.*=> (\/[^ ]+) .*/\1/p; s/^[[:space:]]*(\/[^ ]+) \(0x.*/\1/p' |
    while read -r library; do
      [ -e "$tree$library" ] || install -D -m 755 "$library" "$tree$library"
    done
}

is_elf() { [ "$(head -c 4 "$1" 2>/dev/null | tr -d '\0')" = $'\177ELF' ]; }

make_payload() {
  local out=$1 c from to file
  shift
  local tree=$run/tree
  mkdir -p "$tree/test" "$tree/testhost"
  for c in "${copies[@]}"; do
    from=$c to=
    if [ ! -e "$from" ] && [[ $c == *=* ]]; then
      from=${c%=*} to=${c##*=}
    fi
    [ -e "$from" ] || bad "--copy $from: no such file"
    to=${to:-$(basename "$(realpath -s "$from")")}
    mkdir -p "$tree/test/$(dirname "$to")"
    cp -rL "$from" "$tree/test/$to"
    find "$tree/test/$to" -type f -perm -100 >"$run/executables"
    while read -r file; do
      ! is_elf "$file" || copy_libraries "$tree" "$file"
    done <"$run/executables"
  done
  printf '%s\0' "$@" >"$tree/testhost/argv"
  echo "$payload_modules" >"$tree/testhost/modules"
  if [ -n "$vmm" ]; then
    mkdir -p "$tree/modules"
    # Its debugging information is seven times its size, and an emulated CPU has to read it all.
    strip --strip-debug -o "$tree/modules/vmm.ko" "$module"
    echo /modules/vmm.ko >>"$tree/testhost/modules"
    echo rmmod >>"$tree/testhost/flags"
  fi
  for c in "${extra_modules[@]}"; do
    mkdir -p "$tree/modules"
    [ -f "$c" ] || bad "--module $c: no such file"
    cp "$c" "$tree/modules/"
    echo "/modules/${c##*/}" >>"$tree/testhost/modules"
  done
  [ -z "$shell" ] || echo tty >>"$tree/testhost/flags"
  [ -z "$shell" ] || stty size 2>/dev/null >"$tree/testhost/winsize" || rm -f "$tree/testhost/winsize"
  { [ -z "$shell" ] || echo "TERM=${TERM:-vt100}"; printf '%s\n' "${environment[@]}"; } >"$tree/testhost/environment"
  pack "$tree" >"$out"
}

# Booting takes seconds in QEMU and a quarter of a minute in Bochs. So each kind of machine boots once, up to where
# init waits for its payload, and its state is kept; a run restores it and finds its payload in memory that the
# kernel does not own. The last megabyte of that may hold the firmware's tables, which user space must not map.
make_room() {
  local size
  size=$(stat -c %s "$run/payload")
  # Few rooms, few states; all but the largest payloads share one.
  payload_room=64
  while [ "$size" -gt $(((payload_room - 1 << 20) - 4096)) ]; do
    payload_room=$((payload_room * 2))
  done
  [ $payload_room -le 512 ] || bad "what is copied takes $((size >> 20)) MiB; 511 are the most"
  payload_address=$(((memory < 2048 ? memory : 2048) << 20))
  payload_size=$((payload_room - 1 << 20))
  arguments+=$(printf ' memmap=%dM$%#x testhost.payload=/dev/mem,%#x,%#x' \
    $payload_room $payload_address $payload_address $payload_size)
}

# A saved machine of one kind: host, kernel, CPUs, memory, and whatever else went into it.
find_state() {
  local identity
  identity=$({ cat "$krel_dir/release" "$base"; echo "$arguments$append $kvm_modules $1"; } | sha256sum)
  state=$build/state-$host-$kernel-$cpus-$memory-$payload_room${kvm:+-kvm}-${identity:0:12}
}

# Descriptor 8 becomes a lock (-s or -x) on the state of that name. Its file goes with the state, perhaps while we wait.
lock() {
  local file=$build/.lock-$2
  until exec 8>"$file" && flock "$1" 8 && [ "$file" -ef /dev/fd/8 ]; do :; done
}

# Shared for as long as the emulator lives, so that nobody removes what it runs from. False when there is no state.
hold_state() {
  lock -s "$(basename "$state")"
  [ ! -e "$state/done" ] || return 0
  exec 8>&-
  return 1
}

# States are 150 MB and more, and every change of what they are made from makes new ones: the last used stay, and
# what was used just now. So do the files of runs that were killed, for a day.
states_kept=24
prune() {
  local name old
  find "$build" -maxdepth 1 -name 'run.*' -mmin +1440 -exec rm -rf {} + || true
  find "$build" -maxdepth 1 -name 'state-*' -printf '%T@ %p\n' | sort -rn | tail -n +$((states_kept + 1)) |
    while read -r _ old; do
      name=${old##*/}
      if [ -n "$(find "$old" -maxdepth 0 -mmin +20)" ] && exec 7>"$build/.lock-$name" && flock -n 7; then
        rm -rf "$old" "$build/.lock-$name"
      fi
    done
  for old in "$build"/.lock-state-*; do
    name=${old##*/.lock-}
    [ -e "$build/$name" ] || ! flock -n "$old" true || rm -f "$old"
  done
}

# False when another run made it meanwhile. The lock is held until state_done, or until we end.
lock_state() {
  lock -x "$(basename "$state")"
  if [ -e "$state/done" ]; then
    exec 8>&-
    return 1
  fi
  rm -rf "$state"
  mkdir -p "$state"
  prune
  echo "testhost: first run of this machine ($host, $kernel, $cpus CPU, $memory MiB): booting it once" >&2
}

state_done() {
  touch "$state/done"
  exec 8>&-
}

# wire.h: what stands before the archive.
payload_header() {
  local size i
  size=$(stat -c %s "$run/payload")
  printf '\x76\x70\x61\x79\x6c\x6f\x61\x64'
  # Little-endian, byte by byte.
  for ((i = 0; i < 64; i += 8)); do
    # shellcheck disable=SC2059
    printf "\\x$(printf %x $((size >> i & 255)))"
  done
}
