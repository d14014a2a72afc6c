package lab

import (
	"bytes"
	"encoding/binary"
	"unicode/utf16"
)

// CPU is a processor that firmware in the lab runs on.
type CPU struct {
	machine uint16 // as in a program's header (PE/COFF)
	// code prints the text that follows it on the console, by way of the
	// firmware's table in the second argument, and stays.
	code []byte
}

// The processors: their code calls systemTable.ConOut.OutputString (UEFI
// 2.10 §4.3, §12.4), whose places are 64 and 8 bytes into their tables.
var (
	X64 = CPU{0x8664, []byte{
		0x48, 0x83, 0xec, 0x28, // sub rsp, 40: room for the callee, and alignment
		0x48, 0x8b, 0x4a, 0x40, // mov rcx, [rdx+64]
		0x48, 0x8d, 0x15, 0x05, 0, 0, 0, // lea rdx, [rip+5]: the text
		0xff, 0x51, 0x08, // call [rcx+8]
		0xeb, 0xfe, // jmp to itself
	}}
	ARM64 = CPU{0xaa64, []byte{
		0x20, 0x20, 0x40, 0xf9, // ldr x0, [x1, #64]
		0x02, 0x04, 0x40, 0xf9, // ldr x2, [x0, #8]
		0x61, 0x00, 0x00, 0x10, // adr x1, #12: the text
		0x40, 0x00, 0x3f, 0xd6, // blr x2
		0x00, 0x00, 0x00, 0x14, // b to itself
	}}
)

// Where things are in a program, in the file as in memory.
const (
	efiHeaders = 0x200
	efiText    = 0x200
	efiSize    = 0x400
)

// EFI is a program that firmware of the processor starts: it says something on
// the console and stays. It is as small as the format lets it be.
func EFI(cpu CPU, say string) []byte {
	var b bytes.Buffer
	put := func(values ...any) {
		for _, v := range values {
			binary.Write(&b, binary.LittleEndian, v)
		}
	}
	put([]byte("MZ"), make([]byte, 58), uint32(64), []byte("PE\x00\x00"))
	// The file's header: one section, 240 bytes of the next header, executable.
	put(cpu.machine, uint16(1), uint32(0), uint32(0), uint32(0), uint16(240), uint16(0x22e))
	// PE32+: sizes of code and data, entry and base of code.
	put(uint16(0x20b), uint16(0), uint32(efiSize), uint32(0), uint32(0), uint32(efiText), uint32(efiText))
	// Base, alignment in memory and file, versions, sizes of image and headers.
	put(uint64(0), uint32(efiHeaders), uint32(efiHeaders), [4]uint32{}, uint32(efiText+efiSize), uint32(efiHeaders))
	// Checksum, subsystem EFI application, flags, stack and heap, directories.
	put(uint32(0), uint16(10), uint16(0), [4]uint64{}, uint32(0), uint32(16), [16]uint64{})
	put([]byte(".text\x00\x00\x00"), uint32(efiSize), uint32(efiText), uint32(efiSize), uint32(efiText))
	put([2]uint32{}, [2]uint16{}, uint32(0x60000020)) // code, to be read and executed
	b.Write(make([]byte, efiText-b.Len()))
	b.Write(cpu.code)
	put(utf16.Encode([]rune("\r\n"+say+"\r\n")), uint16(0))
	b.Write(make([]byte, max(0, efiText+efiSize-b.Len())))
	return b.Bytes()
}
