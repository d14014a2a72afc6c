package lease

import "bytes"

// scanned is what a lease file holds.
type scanned struct {
	entries []entry
	// end is where the last valid record ends.
	end int
	// lost counts bytes between records that are no record, unknown the
	// records that are whole but say nothing we know.
	lost, unknown int
}

// scan reads a whole file. It takes every record that is valid wherever it
// stands: after bytes that make no record it looks for the next that does, so
// that one bad sector costs what it held and no more.
func scan(file []byte) scanned {
	s := scanned{}
	at := 0
	if bytes.HasPrefix(file, []byte(fileHeader)) {
		at = len(fileHeader)
	}
	s.end = at
	for at < len(file) {
		n := frameAt(file[at:])
		if n == 0 {
			at++
			if skip := bytes.IndexByte(file[at:], frameMagic[0]); skip > 0 {
				at += skip
			} else if skip < 0 {
				break
			}
			continue
		}
		s.lost += at - s.end
		s.add(file[at+frameOverhead : at+n])
		at += n
		s.end = at
	}
	return s
}

func (s *scanned) add(payload []byte) {
	e, err := parsePayload(payload)
	if err != nil {
		s.unknown++
		return
	}
	s.entries = append(s.entries, e)
}
