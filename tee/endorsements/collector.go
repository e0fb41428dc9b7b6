package endorsements

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/quotary/quotary/evidence"
)

// collector walks paths and hands every regular file to take, within the bounds
// of limits.go. What it leaves out it tells skip.
type collector struct {
	take  func(name string, data []byte)
	skip  func(name string, err error)
	files int
	bytes int64
}

// path reads one path that the user named; links in it are followed.
func (c *collector) path(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("cannot read certificates or endorsements: %w", err)
	}
	if info.IsDir() {
		return c.directory(path)
	}
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("cannot read certificates or endorsements: %w", err)
	}
	defer file.Close()
	return c.file(path, file)
}

// directory reads everything below dir. It follows no links: a link could lead
// outside, or round in a circle.
func (c *collector) directory(dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("cannot read certificates or endorsements: %w", err)
	}
	defer root.Close()
	return fs.WalkDir(root.FS(), ".", func(inside string, entry fs.DirEntry, err error) error {
		name := filepath.Join(dir, inside)
		switch {
		case err != nil:
			c.skip(name, err)
			return nil
		case entry.IsDir():
			if strings.Count(inside, "/") >= MaxDirectoryDepth {
				return evidence.Errorf(evidence.CodeEndorsementTooLarge, name, "directories are nested deeper than %d", MaxDirectoryDepth)
			}
			return nil
		case !entry.Type().IsRegular():
			c.skip(name, errors.New("links and special files in a directory are not followed"))
			return nil
		}
		file, err := root.Open(inside)
		if err != nil {
			c.skip(name, err)
			return nil
		}
		defer file.Close()
		return c.file(name, file)
	})
}

// file reads one file: an archive, or a document.
func (c *collector) file(name string, r io.Reader) error {
	buffered := bufio.NewReaderSize(r, tarHeaderSize)
	head, _ := buffered.Peek(tarHeaderSize) // what is shorter has an error again below
	open := archiveOf(head)
	limit := int64(MaxFile)
	if open != nil {
		limit = MaxArchive
	}
	data, err := c.read(buffered, limit)
	if err != nil {
		return c.skipUnlessFull(name, err)
	}
	if open == nil {
		if err := c.count(name); err != nil {
			return err
		}
		c.take(name, data)
		return nil
	}
	return c.archive(name, data, open)
}

// archive takes all files of an archive, or none if anything in it is wrong.
func (c *collector) archive(name string, data []byte, open opener) error {
	type member struct {
		name string
		data []byte
	}
	var members []member
	var expanded int64
	err := open(data, func(inside string, r io.Reader) error {
		if !filepath.IsLocal(inside) {
			return errMalformed("the archive has a member %.80q outside of itself", inside)
		}
		if err := c.count(name); err != nil {
			return err
		}
		content, err := c.read(r, MaxFile)
		if err != nil {
			return err
		}
		if expanded += int64(len(content)); expanded > expansion(data) {
			return errExpansion()
		}
		members = append(members, member{name + ": " + inside, content})
		return nil
	})
	if err != nil {
		return c.skipUnlessFull(name, err)
	}
	for _, m := range members {
		c.take(m.name, m.data)
	}
	return nil
}

// errFull ends the whole walk, unlike an error in one file.
type errFull struct{ error }

func (e errFull) Unwrap() error { return e.error }

func (c *collector) skipUnlessFull(name string, err error) error {
	var full errFull
	if errors.As(err, &full) {
		return named(name, full.error)
	}
	c.skip(name, err)
	return nil
}

// count counts a file.
func (c *collector) count(name string) error {
	if c.files++; c.files > MaxFiles {
		return errFull{evidence.Errorf(evidence.CodeEndorsementTooLarge, name, "more than %d files; name a narrower directory", MaxFiles)}
	}
	return nil
}

// read reads all of r, at most limit bytes, and counts them.
func (c *collector) read(r io.Reader, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, min(limit, MaxTotal-c.bytes)+1))
	if err != nil {
		return nil, err
	}
	if c.bytes += int64(len(data)); c.bytes > MaxTotal {
		return nil, errFull{evidence.Errorf(evidence.CodeEndorsementTooLarge, "", "more than %d bytes altogether; name a narrower directory", MaxTotal)}
	}
	if int64(len(data)) > limit {
		return nil, evidence.Errorf(evidence.CodeEndorsementTooLarge, "", "larger than %d bytes", limit)
	}
	return data, nil
}
