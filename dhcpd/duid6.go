package dhcpd

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// LoadDUID returns the DUID that the server's clients know it by, from the
// file at path, which holds it in hexadecimal. If there is no such file it is
// made, with a DUID made of a random UUID (RFC 6355), and is on disk when
// LoadDUID returns: a client whose server has changed its DUID cannot renew.
func LoadDUID(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return makeDUID(path)
	}
	if err != nil {
		return nil, fmt.Errorf("read server DUID: %w", err)
	}
	duid, err := hex.DecodeString(string(bytes.TrimSpace(text)))
	if err != nil || len(duid) < 3 || len(duid) > maxDUID {
		return nil, fmt.Errorf("read server DUID: %s holds none", path)
	}
	return duid, nil
}

func makeDUID(path string) ([]byte, error) {
	duid := make([]byte, 18)
	rand.Read(duid) // never fails
	duid[0], duid[1] = 0, 4
	duid[8] = duid[8]&0x0f | 0x40 // version 4, RFC 9562 §5.4
	duid[10] = duid[10]&0x3f | 0x80
	if err := writeSynced(path, []byte(hex.EncodeToString(duid)+"\n")); err != nil {
		return nil, fmt.Errorf("write server DUID: %w", err)
	}
	return duid, nil
}

// writeSynced makes a file that is there whole, or not at all.
func writeSynced(path string, data []byte) error {
	f, err := os.Create(path + ".new")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
