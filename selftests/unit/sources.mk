# SPDX-License-Identifier: GPL-2.0-only
# NAME.src: what test_NAME.c is linked with, from the top of the tree. One line per test program.
