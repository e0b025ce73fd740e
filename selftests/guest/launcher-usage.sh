# What the user gets wrong: status 2, one line that names it, nothing started.

plan 38

one_line() { [ "$(wc -l <err)" = 1 ] && [ ! -s out ]; }
refused() { status_is 2 && one_line && message_is "vmm: $1"; }

# check NAME SENTENCE ARGS...
check() {
  name=$1
  sentence=$2
  shift 2
  evidence="out err"
  status=0
  timeout 20 ./vmm "$@" </dev/null >out 2>err || status=$?
  ok "$name" refused "$sentence"
}

check "no command" 'no command given: try "vmm --help"'
check "unknown command" 'unknown command "boot": "vmm --help" lists the commands' boot
check "no kernel" '--kernel FILE is missing: it names the guest kernel, a Linux bzImage' run
check "unknown option" 'unknown option "--ram": "vmm run --help" lists the options' run --kernel tiny --ram 1G
check "argument without flag" 'unexpected argument "tiny": every setting has a flag, see "vmm run --help"' run tiny
check "flag without value" '--memory needs a value: --memory SIZE' run --kernel tiny --memory
check "no CPUs" '--cpus "0": must be a whole number from 1 to 64' run --kernel tiny --cpus 0
check "too many CPUs" '--cpus "65": must be a whole number from 1 to 64' run --kernel tiny --cpus 65
check "no number of CPUs" '--cpus "two": must be a whole number from 1 to 64' run --kernel tiny --cpus=two
check "size without unit" '--memory "512": must be a whole number with a unit (K, M, G or T), for example 512M' \
  run --kernel tiny --memory 512
check "too little memory" '--memory "16M": must be from 32M to 4T' run --kernel tiny --memory 16M
check "too much memory" '--memory "9T": must be from 32M to 4T' run --kernel tiny --memory 9T
check "odd memory" '--memory "65537K": must be a multiple of 4K' run --kernel tiny --memory 65537K
check "missing kernel" '--kernel "nowhere": No such file or directory' run --kernel nowhere
check "kernel is a directory" '--kernel "/": must be a regular file' run --kernel /
: >empty
check "kernel is empty" '--kernel "empty": the file is empty' run --kernel empty
echo "no kernel" >text
check "kernel is too short" '--kernel "text": too short for a Linux bzImage' run --kernel text
check "kernel is a program" \
  '--kernel "vmm": not a Linux bzImage (give the compressed kernel, such as /boot/vmlinuz-*)' run --kernel vmm
head -c 2100 tiny >short
check "kernel is cut short" '--kernel "short": truncated: the file is shorter than its header says' run --kernel short
mkfifo fifo
check "kernel is a fifo" '--kernel "fifo": must be a regular file' run --kernel fifo
check "missing initrd" '--initrd "nowhere": No such file or directory' run --kernel tiny --initrd nowhere
truncate -s 64M big
check "initrd too big" "--initrd: its 64M do not fit beside the kernel: --memory of 81M or more is needed" \
  run --kernel tiny --initrd big --memory 64M
long=$(head -c 3000 /dev/zero | tr '\0' a)
check "command line too long" '--append: 3000 characters are too long: this kernel takes 2047' \
  run --kernel tiny --append "$long"
check "missing device" '--device "/dev/nowhere": no such device: is its module loaded?' \
  run --kernel tiny --device /dev/nowhere
check "device is a file" '--device "tiny": must be a device such as /dev/vmm or /dev/kvm' \
  run --kernel tiny --device tiny
check "device is another" '--device "/dev/null": does not speak the KVM interface' \
  run --kernel tiny --device /dev/null

disk() { check "$1" "$2" run --kernel tiny --disk "$3"; }
disk "missing disk" '--disk "nowhere": No such file or directory' nowhere
disk "disk is a directory" '--disk "/": must be a regular file or a block device' /
disk "disk is a fifo" '--disk "fifo": must be a regular file or a block device' fifo
disk "disk is empty" '--disk "empty": the file is empty: a disk has a size' empty
truncate -s 1000 odd
disk "odd disk" '--disk "odd": its 1000 bytes are no multiple of 512' odd
disk "unknown part of a disk" '--disk: unknown part "raw": "vmm run --help" lists them' big,raw
mkdir ram
mount -t ramfs ramfs ram && truncate -s 64K ram/disk
disk "direct on ramfs" '--disk "ram/disk": its file system does not allow "direct"' ram/disk,direct
umount ram
disk "disk is a character device" '--disk "/dev/null": must be a regular file or a block device' /dev/null
check "the same disk twice" '--disk "big": is in use by another machine' run --kernel tiny --disk big --disk big
mkdir ro
mount -t tmpfs -o size=1m tmpfs ro && truncate -s 64K ro/disk && mount -o remount,ro ro
disk "disk that cannot be written" '--disk "ro/disk": cannot be written: give "readonly" to use it so' ro/disk
umount ro

./vmm run --help >out 2>err
status=$?
helps() { status_is 0 && no_message && says '^  --kernel FILE' && says '^exit status:'; }
ok "help" helps
./vmm --version >out 2>err
status=$?
versions() { status_is 0 && no_message && grep -qx 'vmm [0-9.]*' out; }
ok "version" versions

finish
