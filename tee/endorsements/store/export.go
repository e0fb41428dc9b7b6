package store

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/endorsements"
)

// Export writes everything that the store holds as an archive (tar.gz) that
// endorsements.Load reads and [Store.Import] takes in elsewhere. The same contents
// make the same archive. It is an error if the archive would be larger than Load
// allows ([evidence.CodeEndorsementTooLarge]); what was written is of no use then.
func (s *Store) Export(w io.Writer) error {
	members := s.members()
	total := 0
	for _, m := range members {
		total += len(m.content)
	}
	if len(members) > endorsements.MaxFiles || total > endorsements.MaxTotal {
		return evidence.Errorf(evidence.CodeEndorsementTooLarge, "", "%d files with %d bytes are more than an archive may hold", len(members), total)
	}
	limited := &limitedWriter{w: w, left: endorsements.MaxArchive}
	zipped := gzip.NewWriter(limited)
	archive := tar.NewWriter(zipped)
	for _, m := range members {
		header := &tar.Header{Typeflag: tar.TypeReg, Name: m.name, Mode: 0o644, Size: int64(len(m.content)), Format: tar.FormatUSTAR}
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
		if _, err := archive.Write(m.content); err != nil {
			return err
		}
	}
	return errors.Join(archive.Close(), zipped.Close())
}

// members are the files of an export: one for each entry, but for key
// certificates, of which there may be very many.
func (s *Store) members() []file {
	var members []file
	var keys [][]byte
	s.mu.Lock()
	for _, e := range s.table.byDigest {
		if e.isKey() {
			keys = append(keys, e.raw())
			continue
		}
		name, content := endorsements.File(e.Endorsed)
		members = append(members, file{name: name, content: content})
	}
	s.mu.Unlock()
	slices.SortFunc(keys, bytes.Compare)
	n := 0
	for some := range slices.Chunk(keys, keysPerFile) {
		n++
		members = append(members, file{name: fmt.Sprintf("keys-%04d.der", n), content: slices.Concat(some...)})
	}
	slices.SortFunc(members, func(a, b file) int { return strings.Compare(a.name, b.name) })
	return members
}

// limitedWriter fails beyond a number of bytes.
type limitedWriter struct {
	w    io.Writer
	left int64
}

func (l *limitedWriter) Write(p []byte) (int, error) {
	if l.left -= int64(len(p)); l.left < 0 {
		return 0, evidence.Errorf(evidence.CodeEndorsementTooLarge, "", "the archive would be larger than %d bytes", endorsements.MaxArchive)
	}
	return l.w.Write(p)
}
