/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the guest cannot find by probing: the legacy devices that exist (a serial port and the clock, no
 * keyboard controller worth a driver), and what to write to switch off.
 */
DefinitionBlock ("", "DSDT", 2, "VMM", "VMMDSDT", 0x00000001)
{
	/* SLP_TYP for PM1a and PM1b: ACPI_PM_SLEEP_OFF in device/acpi_pm.h. */
	Name (\_S5, Package () { 5, 5, 0, 0 })

	Scope (\_SB)
	{
		Device (COM1)
		{
			Name (_HID, EisaId ("PNP0501"))
			Name (_UID, 1)
			Name (_CRS, ResourceTemplate () {
				IO (Decode16, 0x03F8, 0x03F8, 1, 8)
				IRQNoFlags () { 4 }
			})
		}

		Device (RTC)
		{
			Name (_HID, EisaId ("PNP0B00"))
			Name (_CRS, ResourceTemplate () {
				IO (Decode16, 0x0070, 0x0070, 1, 2)
				IRQNoFlags () { 8 }
			})
		}
	}
}
