package lease

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// The status file is rewritten statusDelay after a change, or later when the
// last time took so long that it would need more than 1/statusShare of a CPU.
const (
	statusDelay = 20 * time.Millisecond
	statusShare = 20
)

// StatusFile keeps libvirt's lease file of one bridge, BR.status, which
// libvirt's NSS modules and other programs read.
type StatusFile struct {
	Path string
	Log  *slog.Logger
}

// Run writes the table's leases to the file now, after each change, and once
// more when ctx ends or the table is closed. Changes within 20 ms are written
// together; when the table is so large that writing takes long, it is written
// less often. A file that cannot be written is logged once and tried again
// with the next change. The caller removes it with its network.
func (f StatusFile) Run(ctx context.Context, t *Table) error {
	feed := t.Subscribe()
	defer feed.Close()
	faulty := false
	for {
		began := time.Now()
		err := f.write(t.all())
		if err != nil && !faulty {
			f.Log.Error("write status file", "path", f.Path, "err", err)
		}
		faulty = err != nil
		wait := max(statusDelay, statusShare*time.Since(began))
		if err := feed.Skip(ctx); err != nil {
			return endOf(err)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}

// endOf is nil for the ordinary ends of a feed.
func endOf(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, ErrClosed) {
		return nil
	}
	return err
}

// Write replaces the file.
func (f StatusFile) Write(leases []Lease) error {
	return f.write(pointers(leases))
}

func pointers(leases []Lease) iter.Seq[*Lease] {
	return func(yield func(*Lease) bool) {
		for i := range leases {
			if !yield(&leases[i]) {
				return
			}
		}
	}
}

// all yields the leases that Leases returns, without copies: there may be very
// many, and they are written often.
func (t *Table) all() iter.Seq[*Lease] {
	return func(yield func(*Lease) bool) {
		for _, r := range t.durable() {
			if !yield(&r.Lease) {
				return
			}
		}
	}
}

func (f StatusFile) write(leases iter.Seq[*Lease]) error {
	if err := os.MkdirAll(filepath.Dir(f.Path), 0o755); err != nil {
		return err
	}
	tmp := f.Path + ".new"
	file, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	if err := errors.Join(formatStatus(file, leases), file.Close()); err != nil {
		return errors.Join(err, removeIfThere(tmp))
	}
	return os.Rename(tmp, f.Path)
}

// formatStatus writes leases as libvirt's lease helper does.
func formatStatus(to io.Writer, leases iter.Seq[*Lease]) error {
	w := bufio.NewWriterSize(to, 32<<10)
	w.WriteByte('[') // the last call tells of errors
	separator := "\n"
	var b []byte
	for l := range leases {
		b = appendStatus(append(b[:0], separator...), l)
		w.Write(b)
		separator = ",\n"
	}
	w.WriteString("\n]\n")
	return w.Flush()
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func appendStatus(b []byte, l *Lease) []byte {
	b = append(b, "  {\n"...)
	if l.Addr.Is6() {
		b = append(b, `    "iaid": "`...)
		b = strconv.AppendUint(b, uint64(l.IAID), 10)
		b = append(b, "\",\n"...)
	}
	b = append(b, `    "ip-address": "`...)
	b = l.Addr.AppendTo(b)
	b = append(b, "\",\n"...)
	b = appendHexField(b, "mac-address", l.MAC)
	if l.Hostname != "" {
		quoted, _ := json.Marshal(l.Hostname) // a string cannot fail
		b = append(b, `    "hostname": `...)
		b = append(b, quoted...)
		b = append(b, ",\n"...)
	}
	b = appendHexField(b, "client-id", l.ClientID)
	if l.Addr.Is6() {
		b = appendHexField(b, "server-duid", l.ServerDUID)
	}
	b = append(b, `    "expiry-time": `...)
	b = strconv.AppendInt(b, epoch(l.Expiry), 10)
	return append(b, "\n  }"...)
}

// appendHexField appends a field of bytes as 01:ab:ff and its comma, unless it
// is empty.
func appendHexField(b []byte, key string, value []byte) []byte {
	if len(value) == 0 {
		return b
	}
	b = append(b, "    \""...)
	b = append(b, key...)
	b = append(b, "\": \""...)
	for i := range value {
		if i > 0 {
			b = append(b, ':')
		}
		b = hex.AppendEncode(b, value[i:i+1])
	}
	return append(b, "\",\n"...)
}

// epoch is t in seconds since 1970, rounded up; 0 for the zero time, which is
// libvirt's "never".
func epoch(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Add(time.Second - 1).Unix()
}

// statusEntry is an element of the status file.
type statusEntry struct {
	IAID       string      `json:"iaid"`
	Addr       string      `json:"ip-address"`
	MAC        string      `json:"mac-address"`
	Hostname   string      `json:"hostname"`
	ClientID   string      `json:"client-id"`
	ServerDUID string      `json:"server-duid"`
	Expiry     json.Number `json:"expiry-time"`
}

// ReadStatus reads a lease file of libvirt's, expired leases too. It is
// tolerant: an entry without a valid address is left out, as is any field
// that does not make sense. A missing or empty file has no leases; one that
// is not a JSON array is an error.
func ReadStatus(path string) ([]Lease, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return parseStatus(data)
}

func parseStatus(data []byte) ([]Lease, error) {
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, nil
	}
	var entries []json.RawMessage
	if err := json.Unmarshal(data, &entries); err != nil {
		return nil, fmt.Errorf("parse lease status: %w", err)
	}
	var leases []Lease
	for _, raw := range entries {
		var e statusEntry
		if json.Unmarshal(raw, &e) != nil {
			continue
		}
		if l, ok := e.lease(); ok {
			leases = append(leases, l)
		}
	}
	return leases, nil
}

func (e statusEntry) lease() (Lease, bool) {
	addr, err := netip.ParseAddr(e.Addr)
	if err != nil || addr.Zone() != "" {
		return Lease{}, false
	}
	l := Lease{Addr: addr.Unmap(), Hostname: e.Hostname}
	l.MAC, _ = net.ParseMAC(e.MAC)
	l.ClientID = parseColonHex(e.ClientID)
	l.ServerDUID = parseColonHex(e.ServerDUID)
	if iaid, err := strconv.ParseUint(e.IAID, 10, 32); err == nil {
		l.IAID = uint32(iaid)
	}
	if seconds, err := e.Expiry.Int64(); err == nil && seconds > 0 {
		l.Expiry = time.Unix(seconds, 0)
	}
	return l, true
}

// parseColonHex reads bytes as appendHexField writes them; nil if s is not such.
func parseColonHex(s string) []byte {
	v, err := hex.DecodeString(strings.ReplaceAll(s, ":", ""))
	if err != nil || len(v) == 0 {
		return nil
	}
	return v
}
