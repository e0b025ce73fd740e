# SPDX-License-Identifier: GPL-2.0-only
# KVM's own selftests (scripts/kvm-selftests), each a test: it must do what selftests/kvm-selftests expects.
# KVM_SELFTESTS=all runs the long ones, too.

# /dev/kvm is the device under test.
[ "$device" = /dev/kvm ] || ln -sf "$device" /dev/kvm
cp kvm-selftests/libgcc_s.so.1 /lib/

# Rows of "NAME vmm-result kvm-result seconds arguments".
rows() {
  sed 's/ *#.*//' expected | while read -r name on_vmm on_kvm when seconds arguments; do
    [ -n "$name" ] || continue
    [ "$when" = quick ] || [ "$when$KVM_SELFTESTS" = longall ] || continue
    case $name in *"$KVM_SELFTESTS_PATTERN"*) ;; *) continue ;; esac
    [ "$device" != /dev/kvm ] || on_vmm=$on_kvm
    echo "$name $on_vmm $seconds $arguments"
  done
}

# KSFT_SKIP is 4; the shell says 143 for what timeout ended.
result_of() {
  case $1 in
  0) echo pass ;;
  4) echo skip ;;
  143 | 137) echo timeout ;;
  *) echo fail ;;
  esac
}

uptime() { cut -d' ' -f1 /proc/uptime; }

rows >rows
plan "$(wc -l <rows)"
while read -r name expected seconds arguments; do
  test_number=$((test_number + 1))
  begin=$(uptime)
  # shellcheck disable=SC2086
  timeout -k 5 "$seconds" "kvm-selftests/$name" $arguments >out 2>&1 </dev/null
  result=$(result_of $?)
  took=$(echo "$begin $(uptime)" | awk '{ printf "%.1f", $2 - $1 }')
  if [ "$result" = "$expected" ]; then
    echo "ok $test_number - $name"
    echo "# $name: $result, $took s"
  else
    test_failures=$((test_failures + 1))
    echo "not ok $test_number - $name"
    echo "# $name: $result, $took s, not $expected"
    tail -n 12 out | sed 's/^/# | /'
  fi
done <rows
finish
