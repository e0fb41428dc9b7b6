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

// caSign signs a request with a root's key, on whatever machine that is.
func caSign(f *caFlags, args []string) error {
	var rootKey, root, csr, out string
	var days int
	f.StringVar(&rootKey, "root-key", "", "")
	f.StringVar(&root, "root", "", "")
	f.StringVar(&csr, "csr", "", "")
	f.StringVar(&out, "out", "", "")
	f.IntVar(&days, "days", 730, "")
	f.StringVar(&f.config, "config", "", "")
	needed := "no data directory"
	if err := parse(f.FlagSet, args, &needed); err != nil {
		return err
	}
	if rootKey == "" || root == "" || csr == "" || out == "" {
		return errors.New("--root-key FILE, --root FILE, --csr FILE and --out FILE are needed; try: quotaryd ca --help")
	}
	if days < 1 || days > 1825 {
		return fmt.Errorf("--days %d is not between 1 and 1825", days)
	}
	request, _, err := keyfile.Read(csr)
	if err != nil {
		return err
	}
	c, err := f.configuration()
	if err != nil {
		return err
	}
	keys, err := daemon.OpenKeys(c)
	if err != nil {
		return err
	}
	certificate, err := ca.SignIssuing(keys, rootKey, root, request, time.Duration(days)*24*time.Hour, time.Now())
	if err != nil {
		return err
	}
	return f.write(out, certificate)
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
