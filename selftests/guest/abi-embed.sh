# SPDX-License-Identifier: GPL-2.0-only
# The program that the README shows.

plan 1

evidence="out"
./embed "$device" >out 2>&1
status=$?
said_hi() { [ "$status" = 0 ] && [ "$(cat out)" = hi ]; }
ok "the guest says hi and halts" said_hi
finish
