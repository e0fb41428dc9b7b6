package endorsements

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"io"
	"path"

	"github.com/quotary/quotary/evidence"
)

// opener reads an archive and calls each for every regular file in it. Links and
// special files are refused: nothing honest needs them here.
type opener func(data []byte, each func(name string, r io.Reader) error) error

const (
	tarHeaderSize  = 512 // POSIX ustar; its magic stands at offset 257
	tarMagicOffset = 257
)

// archiveOf recognises an archive by its first bytes, or returns nil.
func archiveOf(head []byte) opener {
	switch {
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		return openZip
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return openTarGzip
	case len(head) == tarHeaderSize && bytes.HasPrefix(head[tarMagicOffset:], []byte("ustar")):
		return openTar
	}
	return nil
}

func openTarGzip(data []byte, each func(string, io.Reader) error) error {
	unzipped, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return errMalformed("not gzip: %v", err)
	}
	// Headers and skipped members count too: a bomb need not have file contents.
	return readTar(&bounded{r: unzipped, left: expansion(data)}, each)
}

// expansion is how many bytes an archive may become.
func expansion(data []byte) int64 { return RatioGrace + MaxRatio*int64(len(data)) }

// bounded fails where an io.LimitedReader would seem to end.
type bounded struct {
	r    io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errExpansion()
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

func errExpansion() error {
	return evidence.Errorf(evidence.CodeEndorsementTooLarge, "", "the archive expands to more than %d times its size", MaxRatio)
}

func openTar(data []byte, each func(string, io.Reader) error) error {
	return readTar(bytes.NewReader(data), each)
}

func readTar(r io.Reader, each func(string, io.Reader) error) error {
	for archive := tar.NewReader(r); ; {
		header, err := archive.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return errMalformed("not a whole tar archive: %w", err)
		}
		switch header.Typeflag {
		case tar.TypeDir, tar.TypeXGlobalHeader:
			continue
		case tar.TypeReg:
			if err := each(path.Clean(header.Name), archive); err != nil {
				return err
			}
		default:
			return errMalformed("the archive has a link or special file %.80q", header.Name)
		}
	}
}

// zipEntry begins each entry of a zip archive's directory (APPNOTE.TXT, 4.3.12).
var zipEntry = []byte("PK\x01\x02")

func openZip(data []byte, each func(string, io.Reader) error) error {
	if n := bytes.Count(data, zipEntry); n > MaxFiles { // before the library makes a structure of each
		return evidence.Errorf(evidence.CodeEndorsementTooLarge, "", "more than %d entries in the archive", MaxFiles)
	}
	archive, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return errMalformed("not a whole zip archive: %v", err)
	}
	for _, member := range archive.File {
		if member.FileInfo().IsDir() {
			continue
		}
		if !member.Mode().IsRegular() {
			return errMalformed("the archive has a link or special file %.80q", member.Name)
		}
		if err := readZipMember(member, each); err != nil {
			return err
		}
	}
	return nil
}

func readZipMember(member *zip.File, each func(string, io.Reader) error) error {
	content, err := member.Open()
	if err != nil {
		return errMalformed("the archive's member %.80q: %v", member.Name, err)
	}
	defer content.Close()
	return each(path.Clean(member.Name), content)
}
