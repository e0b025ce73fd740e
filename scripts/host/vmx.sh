# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154,SC2034
# The vmx test host: Bochs emulates a Skylake-X with VMX, EPT and unrestricted guest.

default_timeout=1200
# KVM is in the saved state already.
payload_modules=

# Time runs by instructions: the kernel must not calibrate its TSC against a PIT that runs by the same.
arguments+=" tsc_early_khz=200000"
# Its XSAVE state does not add up: the kernel would say so with a WARN and do without.
arguments+=" noxsave"
# 6.12 does not like the topology leaves of this model.
expected_warning='^WARNING: .* parse_legacy\+'
# A CPU that waits in MWAIT never lets Bochs run the other.
[ "$cpus" = 1 ] || arguments+=" idle=halt"

make_cd() {
  local out=$1 cd=$run/cd
  mkdir -p "$cd/isolinux"
  cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$cd/isolinux/"
  cp "$krel_dir/vmlinuz" "$cd/vmlinuz"
  mkdir -p "$run/early/testhost"
  echo "$kvm_modules" >"$run/early/testhost/modules"
  { cat "$base"; pack "$run/early"; } >"$cd/initrd"
  printf 'DEFAULT h\nPROMPT 0\nLABEL h\nLINUX /vmlinuz\nAPPEND initrd=/initrd %s\n' "$arguments$append" \
    >"$cd/isolinux/isolinux.cfg"
  xorriso -as mkisofs -quiet -o "$out" -b isolinux/isolinux.bin -no-emul-boot -boot-load-size 4 \
    -boot-info-table "$cd" 2>"$run/xorriso.log" || { cat "$run/xorriso.log" >&2; fail "xorriso failed"; }
  rm -rf "$cd"
}

make_bochsrc() {
  cat <<END
config_interface: textconfig
display_library: rfb, options="timeout=0"
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
cpu: model=corei7_skylake_x, count=$cpus, ips=200000000, reset_on_triple_fault=0, ignore_bad_msrs=1
memory: guest=$((memory + payload_room)), host=$((memory + payload_room))
clock: sync=none
pci: enabled=1, chipset=i440fx
boot: cdrom
ata0-master: type=cdrom, path=$state/cd.iso, status=inserted
com1: enabled=1, mode=file, dev=$run/console
com2: enabled=1, mode=term, dev=$run/tty
sound: waveoutdrv=dummy, waveindrv=dummy, midioutdrv=dummy
speaker: enabled=0
plugin_ctrl: speaker=0, parallel=0, gameport=0
port_e9_hack: enabled=1
magic_break: enabled=1
log: $run/bochs.log
panic: action=fatal
error: action=ignore
info: action=ignore
debug: action=ignore
END
}

make_state() {
  lock_state || return 0
  mkdir "$state/saved"
  make_cd "$state/cd.iso"
  make_bochsrc >"$run/bochsrc"
  supervised "$build/supervise" --dir "$run" --boot-timeout 600 --timeout 600 --save --expect "$expected_warning" -- \
    env LD_PRELOAD="$build/bochs_state.so" BOCHS_SAVE="$state/saved" bochs-bin -q -f "$run/bochsrc" || return
  # Paths of this run are in it; every restored run has its own. Plugins are loaded as plugin_ctrl lists them and
  # their timers numbered as they are loaded: usb_uhci must stay the last, as in a fresh machine, or the serial
  # lines restore each other's timers.
  sed -E "s#$run/#@RUN@/#g; /^plugin_ctrl:/s/(.*) usb_uhci=true,(.*)/\1\2, usb_uhci=true/" "$state/saved/config" \
    >"$state/config"
  state_done
}

boot() {
  find_state "$(cat "$build/bochs_state.so" "$top/scripts/host/vmx.sh" | sha256sum)"
  until hold_state; do make_state || return; done
  touch "$state"
  rm -rf "$run/saved"
  mkdir "$run/saved"
  ln -s "$state"/saved/* "$run/saved/"
  rm "$run/saved/config"
  sed "s#@RUN@/#$run/#g" "$state/config" >"$run/saved/config"
  "${supervise[@]}" --boot-timeout 120 -- env LD_PRELOAD="$build/bochs_state.so" \
    BOCHS_PAYLOAD="$run/payload@$payload_address" bochs-bin -q -r "$run/saved"
}
