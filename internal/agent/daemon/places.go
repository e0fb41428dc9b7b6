package daemon

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// warnOfPlaces tells of directories in which others could put something of theirs in the place of
// what the agent makes. That is not refused: in a container such directories may be shared on purpose.
func (d *Daemon) warnOfPlaces() {
	paths := []string{d.options.Config.WorkloadAPI.Socket, d.options.Config.Service.Keep}
	for _, f := range d.options.Config.Files {
		paths = append(paths, f.Directory)
	}
	for _, path := range paths {
		if path == "" {
			continue
		}
		dir := filepath.Dir(path)
		if info, err := os.Stat(dir); err == nil && others(info) {
			d.options.Logger.Warn("others may put something else in this place: they can write to the directory", "path", path, "directory", dir, "mode", info.Mode().String())
		}
	}
}

// others reports whether others than the agent and root may exchange what is in a directory.
func others(info fs.FileInfo) bool {
	if info.Mode().Perm()&0o022 != 0 && info.Mode()&fs.ModeSticky == 0 {
		return true
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	return !ok || owner.Uid != 0 && int64(owner.Uid) != int64(os.Geteuid())
}
