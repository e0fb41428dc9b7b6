package guest

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/google/go-configfs-tsm/configfs/configfsi"
	"github.com/google/go-configfs-tsm/report"

	"github.com/quotary/quotary/evidence"
)

// configFSName is how this interface is called in messages.
const configFSName = "configfs-tsm"

// provider is what configfs-tsm calls the driver of SNP guests.
const provider = "sev_guest"

// ConfigFS is the interface configfs-tsm, reached through client.
func ConfigFS(client configfsi.Client) Interface { return configFS{client} }

type configFS struct{ client configfsi.Client }

func (configFS) name() string { return configFSName }

// report makes an entry of its own, so that requests cannot get mixed up, and
// removes it again.
func (c configFS) report(data [64]byte, vmpl uint) (got answer, err error) {
	causes := &causes{Client: c.client}
	defer func() { err = causes.add(err) }()
	entry, err := report.CreateOpenReport(causes)
	if err != nil {
		return answer{}, absent(configFSName, causes.add(err))
	}
	defer func() {
		if failed := entry.Destroy(); failed != nil && err == nil {
			err = fmt.Errorf("cannot remove the entry: %w", failed) // each one left behind takes kernel memory
		}
	}()
	if err := prepare(entry, data, vmpl); err != nil {
		return answer{}, err
	}
	// The kernel makes report and table on the first read; the library compares the
	// entry's generation after each.
	if got.report, err = entry.ReadOption("outblob"); err != nil {
		return answer{}, err
	}
	got.table, err = entry.ReadOption("auxblob")
	if err = causes.add(err); err == nil || isPassing(err) {
		return got, err
	}
	got.lost = fmt.Errorf("the host's certificate table cannot be read: %w", err)
	return got, nil
}

// prepare writes what is asked for, as soon as it is known that an SNP guest's
// driver is asked.
func prepare(entry *report.OpenReport, data [64]byte, vmpl uint) error {
	if err := entry.WriteOption("inblob", data[:]); err != nil {
		return err
	}
	name, err := entry.ReadOption("provider")
	if err != nil {
		return err
	}
	if got := strings.TrimSuffix(string(name), "\n"); got != provider {
		return evidence.Errorf(evidence.CodeAttesterAbsent, configFSName, "the provider of reports is %.40q, not %q", got, provider)
	}
	if floor, err := entry.PrivilegeLevelFloor(); err == nil && vmpl < floor {
		return evidence.Errorf(evidence.CodeAttesterVMPL, configFSName, "the kernel gives reports of VMPL %d and above only, not of VMPL %d", floor, vmpl)
	}
	return entry.WriteOption("privlevel", strconv.AppendUint(nil, uint64(vmpl), 10))
}

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
