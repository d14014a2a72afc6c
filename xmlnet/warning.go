package xmlnet

import "fmt"

// Warning is something in a document that libvirt ignores, and so do we.
type Warning struct {
	Line  int    // of the ignored thing, from 1
	Place string // the element it is in or is: "network/ip[2]/dhcp"
	Text  string // what was ignored: "unknown element <foo>"
}

func (w Warning) String() string {
	return fmt.Sprintf("line %d: %s: %s ignored", w.Line, w.Place, w.Text)
}

// maxWarnings bounds what one document can make us log.
const maxWarnings = 50
