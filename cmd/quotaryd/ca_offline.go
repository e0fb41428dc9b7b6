package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/quotary/quotary/ca"
	"github.com/quotary/quotary/internal/daemon"
	"github.com/quotary/quotary/internal/keyfile"
)

// caRequest writes a certificate request.
func caRequest(f *caFlags, args []string) error {
	var out string
	f.StringVar(&out, "out", "", "")
	slots, err := f.open(args)
	if err != nil {
		return err
	}
	if out == "" {
		return errors.New("--out FILE is needed; try: quotaryd ca --help")
	}
	request, err := slots.Request()
	if err != nil {
		return err
	}
	return f.write(out, request)
}

// caInstall prepares the authority of a certificate that was signed elsewhere.
func caInstall(f *caFlags, args []string) error {
	var cert, root string
	f.StringVar(&cert, "cert", "", "")
	f.StringVar(&root, "root", "", "")
	slots, err := f.open(args)
	if err != nil {
		return err
	}
	if cert == "" {
		return errors.New("--cert FILE is needed; try: quotaryd ca --help")
	}
	certificate, _, err := keyfile.Read(cert)
	if err != nil {
		return err
	}
	var rootCert []byte
	if root != "" {
		if rootCert, _, err = keyfile.Read(root); err != nil {
			return err
		}
	}
	return f.did(slots.Install(certificate, rootCert))
}

// rootFlags are those of commands that sign with a root's key, on whatever machine that is.
type rootFlags struct {
	*caFlags
	key, cert, out string
	days           int
}

// root adds the flags; days is what the command's product lives unless they say.
func (f *caFlags) root(days int) *rootFlags {
	r := &rootFlags{caFlags: f}
	f.StringVar(&r.key, "root-key", "", "")
	f.StringVar(&r.cert, "root", "", "")
	f.StringVar(&r.out, "out", "", "")
	f.IntVar(&r.days, "days", days, "")
	f.StringVar(&f.config, "config", "", "")
	return r
}

// read reads the flags, and returns where the root's key may be.
func (r *rootFlags) read(args []string, mostDays int) (ca.Keys, error) {
	needed := "no data directory"
	if err := parse(r.FlagSet, args, &needed); err != nil {
		return ca.Keys{}, err
	}
	if r.key == "" || r.cert == "" || r.out == "" {
		return ca.Keys{}, errors.New("--root-key FILE, --root FILE and --out FILE are needed; try: quotaryd ca --help")
	}
	if r.days < 1 || r.days > mostDays {
		return ca.Keys{}, fmt.Errorf("--days %d is not between 1 and %d", r.days, mostDays)
	}
	c, err := r.configuration()
	if err != nil {
		return ca.Keys{}, err
	}
	return daemon.OpenKeys(c)
}

// life is how long the product is to live.
func (r *rootFlags) life() time.Duration { return time.Duration(r.days) * 24 * time.Hour }

// caSign signs a request with a root's key.
func caSign(f *caFlags, args []string) error {
	var csr string
	f.StringVar(&csr, "csr", "", "")
	root := f.root(730)
	keys, err := root.read(args, 1825)
	if err != nil {
		return err
	}
	if csr == "" {
		return errors.New("--csr FILE is needed; try: quotaryd ca --help")
	}
	request, _, err := keyfile.Read(csr)
	if err != nil {
		return err
	}
	certificate, err := ca.SignIssuing(keys, root.key, root.cert, request, root.life(), time.Now())
	if err != nil {
		return err
	}
	return f.write(root.out, certificate)
}

// write writes a new file.
func (f *caFlags) write(path string, data []byte) error {
	if err := keyfile.WriteNew(path, data, 0o644); errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s is there already; name a new file", path)
	} else if err != nil {
		return err
	}
	fmt.Fprintf(f.stdout, "written   %s\n", path)
	return nil
}
