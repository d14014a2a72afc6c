package xmlnet

// Printer prints a document that has elements in common with networks, as
// libvirt prints XML: indented by two spaces, with single quotes. The zero
// value is ready.
type Printer struct{ p printer }

// NewPrinter returns a Printer of elements inside others, level deep.
func NewPrinter(level int) *Printer { return &Printer{printer{level: level}} }

// Text prints an element that holds text, unless the text is empty.
func (p *Printer) Text(name, text string) { p.p.text(name, text) }

// Empty prints an element without content. attrs are names and values in
// turn; those whose value is empty are left out.
func (p *Printer) Empty(name string, attrs ...string) { p.p.empty(attrTag(name, attrs)) }

// Block is Empty for an element whose content is printed by content.
func (p *Printer) Block(content func(), name string, attrs ...string) {
	p.p.block(attrTag(name, attrs), content)
}

func attrTag(name string, attrs []string) *tag {
	t := newTag(name)
	for i := 0; i+1 < len(attrs); i += 2 {
		t.attr(attrs[i], attrs[i+1])
	}
	return t
}

// VirtualPort prints v, if there is one.
func (p *Printer) VirtualPort(v *VirtualPort) { v.print(&p.p) }

// Bandwidth prints b, if there is one.
func (p *Printer) Bandwidth(b *Bandwidth) { b.print(&p.p) }

// VLAN prints v, if there is one.
func (p *Printer) VLAN(v *VLAN) { v.print(&p.p) }

// PCI prints an <address> that can only be one of PCI, so that it needs no
// type.
func (p *Printer) PCI(a PCIAddress) { p.p.empty(newTag("address").pci(a)) }

// Bytes returns what was printed.
func (p *Printer) Bytes() []byte { return []byte(p.p.b.String()) }
