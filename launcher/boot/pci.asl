/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The PCI host bridge: only machines with PCI devices have this table. Addresses are those of
 * machine/layout.h; what lies above RAM is written into the QWordMemory descriptor by acpi.c.
 */
DefinitionBlock ("", "SSDT", 2, "VMM", "VMMPCI", 0x00000001)
{
	Scope (\_SB)
	{
		Device (PCI0)
		{
			Name (_HID, EisaId ("PNP0A08"))
			Name (_CID, EisaId ("PNP0A03"))
			Name (_UID, 0)
			Name (_SEG, 0)
			Name (_BBN, 0)
			Name (_CRS, ResourceTemplate () {
				WordBusNumber (ResourceProducer, MinFixed, MaxFixed, PosDecode,
					0x0000, 0x0000, 0x0000, 0x0000, 0x0001)
				IO (Decode16, 0x0CF8, 0x0CF8, 1, 8)
				DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed,
					NonCacheable, ReadWrite, 0x00000000, 0xC0000000, 0xDFFFFFFF,
					0x00000000, 0x20000000)
				QWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed,
					NonCacheable, ReadWrite, 0x0000000000000000,
					0x0000000800000000, 0x0000000FFFFFFFFF, 0x0000000000000000,
					0x0000000800000000)
			})

			/* INTA of slot N is GSI 16 + N % 8: PCI_INTX_GSI in device/pci.h. */
			Name (_PRT, Package () {
				Package () { 0x0001FFFF, 0, 0, 17 },
				Package () { 0x0002FFFF, 0, 0, 18 },
				Package () { 0x0003FFFF, 0, 0, 19 },
				Package () { 0x0004FFFF, 0, 0, 20 },
				Package () { 0x0005FFFF, 0, 0, 21 },
				Package () { 0x0006FFFF, 0, 0, 22 },
				Package () { 0x0007FFFF, 0, 0, 23 },
				Package () { 0x0008FFFF, 0, 0, 16 },
				Package () { 0x0009FFFF, 0, 0, 17 },
				Package () { 0x000AFFFF, 0, 0, 18 },
				Package () { 0x000BFFFF, 0, 0, 19 },
				Package () { 0x000CFFFF, 0, 0, 20 },
				Package () { 0x000DFFFF, 0, 0, 21 },
				Package () { 0x000EFFFF, 0, 0, 22 },
				Package () { 0x000FFFFF, 0, 0, 23 },
				Package () { 0x0010FFFF, 0, 0, 16 },
				Package () { 0x0011FFFF, 0, 0, 17 },
				Package () { 0x0012FFFF, 0, 0, 18 },
				Package () { 0x0013FFFF, 0, 0, 19 },
				Package () { 0x0014FFFF, 0, 0, 20 },
				Package () { 0x0015FFFF, 0, 0, 21 },
				Package () { 0x0016FFFF, 0, 0, 22 },
				Package () { 0x0017FFFF, 0, 0, 23 },
				Package () { 0x0018FFFF, 0, 0, 16 },
				Package () { 0x0019FFFF, 0, 0, 17 },
				Package () { 0x001AFFFF, 0, 0, 18 },
				Package () { 0x001BFFFF, 0, 0, 19 },
				Package () { 0x001CFFFF, 0, 0, 20 },
				Package () { 0x001DFFFF, 0, 0, 21 },
				Package () { 0x001EFFFF, 0, 0, 22 },
				Package () { 0x001FFFFF, 0, 0, 23 }
			})
		}

		/* The ECAM: nobody else may use its addresses (PCI Firmware 3.2, 4.1.2). */
		Device (ECAM)
		{
			Name (_HID, EisaId ("PNP0C02"))
			Name (_UID, 1)
			Name (_CRS, ResourceTemplate () {
				Memory32Fixed (ReadWrite, 0xE0000000, 0x00100000)
			})
		}
	}
}
