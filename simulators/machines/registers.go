package machines

import (
	"crypto/rand"
	"crypto/sha512"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"sync"
	"syscall"

	"github.com/google/go-configfs-tsm/configfs/configfsi"

	"github.com/quotary/quotary/simulators/tdx"
)

// registers are the runtime registers in a kernel's configfs: an entry for each register
// that somebody has looked at, with its index and its value.
type registers struct {
	domain *tdx.Machine

	mu      sync.Mutex
	entries map[string]int // register by entry's name, -1 before it has one; guarded by mu
}

// MkdirTemp makes an entry.
func (r *registers) MkdirTemp(dir, pattern string) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	name := configfsi.TempName(rand.Reader, pattern)
	if _, taken := r.entries[name]; taken {
		return "", fs.ErrExist
	}
	if r.entries == nil {
		r.entries = map[string]int{}
	}
	r.entries[name] = -1
	return path.Join(dir, name), nil
}

// ReadDir lists the entries.
func (r *registers) ReadDir(string) ([]os.DirEntry, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var listing []os.DirEntry
	for _, name := range slices.Sorted(maps.Keys(r.entries)) {
		listing = append(listing, fs.FileInfoToDirEntry(entry{name: name, mode: fs.ModeDir | 0o755}))
	}
	return listing, nil
}

// ReadFile reads an entry's index, or the value of its register.
func (r *registers) ReadFile(name string) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	index, attribute, err := r.find(name)
	if err != nil || index < 0 {
		return nil, err
	}
	switch attribute {
	case "index":
		return strconv.AppendInt(nil, int64(index), 10), nil
	case "digest":
		value := r.domain.RTMR()[index]
		return value[:], nil
	case "tcg_map":
		return []byte([...]string{"1,7\n", "2-6\n", "8-15\n", "\n"}[index]), nil
	}
	return nil, fs.ErrNotExist
}

// WriteFile sets an entry's index, or extends its register.
func (r *registers) WriteFile(name string, content []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	index, attribute, err := r.find(name)
	if err != nil {
		return err
	}
	switch {
	case attribute == "index" && index < 0:
		wanted, err := strconv.Atoi(string(content))
		if err != nil || wanted < 0 || wanted > 3 {
			return syscall.EINVAL
		}
		if slices.Contains(slices.Collect(maps.Values(r.entries)), wanted) {
			return syscall.EBUSY
		}
		p, _ := configfsi.ParseTsmPath(name) // find has parsed it
		r.entries[p.Entry] = wanted
		return nil
	case attribute == "digest" && index >= 0:
		if len(content) != sha512.Size384 {
			return syscall.EINVAL
		}
		return r.domain.Extend(index, [sha512.Size384]byte(content))
	}
	return fs.ErrPermission
}

// RemoveAll refuses: the kernel keeps these entries.
func (r *registers) RemoveAll(string) error { return fs.ErrPermission }

// find returns an entry's register, and the attribute that a path names.
func (r *registers) find(name string) (index int, attribute string, err error) {
	p, err := configfsi.ParseTsmPath(name)
	if err != nil {
		return 0, "", err
	}
	index, ok := r.entries[p.Entry]
	if !ok {
		return 0, "", fs.ErrNotExist
	}
	return index, p.Attribute, nil
}
