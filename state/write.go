package state

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// tempPrefix begins the names of files that are being written.
const tempPrefix = ".tmp-"

// writeFile replaces path with text: a temporary file beside it is synced and
// renamed, and the directory is synced, so that the change survives a crash
// right after the return.
func writeFile(path string, text []byte, mode os.FileMode) error {
	if err := replaceFile(path, text, mode, (*os.File).Sync); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// replaceFile replaces path with text by renaming a temporary file, which
// finish is called with before: a reader sees the old text or the new.
func replaceFile(path string, text []byte, mode os.FileMode, finish func(*os.File) error) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, tempPrefix+"*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
			err = fmt.Errorf("write %s: %w", path, err)
		}
	}()
	if _, err = f.Write(text); err == nil {
		err = errors.Join(f.Chmod(mode), finish(f))
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// remove deletes path; a missing file is removed already.
func remove(path string) error {
	if err := os.Remove(path); err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
