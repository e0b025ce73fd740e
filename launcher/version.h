/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LAUNCHER_VERSION_H
#define LAUNCHER_VERSION_H

#define VMM_VERSION "0.1.0"

#endif
