/* SPDX-License-Identifier: GPL-2.0-only */
/* Bits of the debug registers that <asm/debugreg.h> has no names for (SDM vol 3, 18.2). */
#ifndef VMM_X86_DR_H
#define VMM_X86_DR_H

#define DR6_TRAPS 0x0000000full /* B0-B3 */
#define DR6_BD (1ull << 13) /* general detect */
#define DR6_BS (1ull << 14) /* single step */
#define DR6_BT (1ull << 15) /* task switch */
#define DR6_FIXED 0xffff0ff0ull /* read as 1; the next among them */
#define DR6_ACTIVE_LOW 0x00010800ull /* RTM and BLD: 0 says that they are the cause */

#define DR7_ENABLED 0x000000ffull /* any of L0-L3, G0-G3 */
#define DR7_GD (1ull << 13)
#define DR7_FIXED 0x00000400ull
#define DR7_ZERO 0x0000d800ull /* read as 0 */

#endif
