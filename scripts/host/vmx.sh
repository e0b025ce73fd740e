# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154,SC2034
# The vmx test host: Bochs emulates a Skylake-X with VMX, EPT and unrestricted guest.

default_timeout=1200

# Time runs by instructions: the kernel must not calibrate its TSC against a PIT that runs by the same.
arguments+=" tsc_early_khz=200000"
# Its XSAVE state does not add up: the kernel would say so with a WARN and do without.
arguments+=" noxsave"
# A CPU that waits in MWAIT never lets Bochs run the other.
[ "$cpus" = 1 ] || arguments+=" idle=halt"

make_cd() {
  local cd=$run/cd
  mkdir -p "$cd/isolinux"
  cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$cd/isolinux/"
  cp "$krel_dir/vmlinuz" "$cd/vmlinuz"
  cat "$base" "$run/payload" >"$cd/initrd"
  printf 'DEFAULT h\nPROMPT 0\nLABEL h\nLINUX /vmlinuz\nAPPEND initrd=/initrd %s\n' "$arguments$append" \
    >"$cd/isolinux/isolinux.cfg"
  xorriso -as mkisofs -quiet -o "$run/cd.iso" -b isolinux/isolinux.bin -no-emul-boot -boot-load-size 4 \
    -boot-info-table "$cd" 2>"$run/xorriso.log" || { cat "$run/xorriso.log" >&2; fail "xorriso failed"; }
  rm -rf "$cd"
}

make_bochsrc() {
  cat >"$run/bochsrc" <<END
config_interface: textconfig
display_library: rfb, options="timeout=0"
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
cpu: model=corei7_skylake_x, count=$cpus, ips=200000000, reset_on_triple_fault=0, ignore_bad_msrs=1
memory: guest=$memory, host=$memory
clock: sync=none
pci: enabled=1, chipset=i440fx
boot: cdrom
ata0-master: type=cdrom, path=$run/cd.iso, status=inserted
com1: enabled=1, mode=file, dev=$run/console
com2: enabled=1, mode=term, dev=$run/tty
sound: waveoutdrv=dummy, waveindrv=dummy, midioutdrv=dummy
speaker: enabled=0
plugin_ctrl: speaker=0, parallel=0, gameport=0
port_e9_hack: enabled=1
log: $run/bochs.log
panic: action=fatal
error: action=ignore
info: action=ignore
debug: action=ignore
END
  echo c >"$run/bochs.commands"
}

boot() {
  make_cd
  make_bochsrc
  "${supervise[@]}" --boot-timeout 300 -- \
    bochs -q -f "$run/bochsrc" -rc "$run/bochs.commands"
}
