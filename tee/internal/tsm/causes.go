package tsm

import (
	"errors"

	"github.com/google/go-configfs-tsm/configfs/configfsi"
)

// causes remembers the last error of a client: the library writes it into its
// own as text.
type causes struct {
	configfsi.Client
	last error
}

// add makes the remembered error a cause of err.
func (c *causes) add(err error) error {
	if err == nil || c.last == nil || errors.Is(err, c.last) {
		return err
	}
	return &caused{err, c.last}
}

// caused is an error with a cause that its text has already.
type caused struct {
	error
	cause error
}

func (c *caused) Unwrap() []error { return []error{c.error, c.cause} }

func (c *causes) MkdirTemp(dir, pattern string) (string, error) {
	name, err := c.Client.MkdirTemp(dir, pattern)
	return name, c.keep(err)
}

func (c *causes) ReadFile(name string) ([]byte, error) {
	data, err := c.Client.ReadFile(name)
	return data, c.keep(err)
}

func (c *causes) WriteFile(name string, contents []byte) error {
	return c.keep(c.Client.WriteFile(name, contents))
}

func (c *causes) keep(err error) error {
	c.last = err
	return err
}
