// Package boundedfile reads files that others may have written: no more of them than their
// reader expects.
//
// Start at [Read].
package boundedfile

import (
	"fmt"
	"io"
	"os"
)

// Read returns the contents of a file of at most so many bytes. The error wraps
// fs.ErrNotExist if there is no such file.
func Read(path string, most int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, most+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > most {
		return nil, fmt.Errorf("%s has more than %d bytes", path, most)
	}
	return data, nil
}
