package main

import (
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/quotary/quotary/ca"
	"github.com/quotary/quotary/internal/keyfile"
)

// caSignList signs a root's revocation list with its key.
func caSignList(f *caFlags, args []string) error {
	var previous string
	var revoked []string
	var list ca.RootList
	f.StringVar(&previous, "previous", "", "")
	f.Func("revoked", "", func(path string) error { revoked = append(revoked, path); return nil })
	f.Func("serial", "", func(text string) error {
		serial, ok := new(big.Int).SetString(strings.ReplaceAll(text, ":", ""), 16)
		if !ok {
			return errors.New("this is no serial number in hex")
		}
		list.Serials = append(list.Serials, serial)
		return nil
	})
	root := f.root(90)
	keys, err := root.read(args, 366)
	if err != nil {
		return err
	}
	list.Life = root.life()
	if err := readRootList(&list, previous, revoked); err != nil {
		return err
	}
	signed, count, err := ca.SignRootList(keys, root.key, root.cert, list, time.Now())
	if err != nil {
		return err
	}
	if err := f.write(root.out, signed); err != nil {
		return err
	}
	fmt.Fprintf(f.stdout, "revoked   %d\n", count)
	return nil
}

// readRootList reads what a list is to have from files.
func readRootList(list *ca.RootList, previous string, revoked []string) (err error) {
	if previous != "" {
		if list.Previous, _, err = keyfile.Read(previous); err != nil {
			return err
		}
	}
	for _, path := range revoked {
		data, _, err := keyfile.Read(path)
		if err != nil {
			return err
		}
		list.Revoked = append(list.Revoked, data...)
	}
	return nil
}

// caInstallList has the service publish a list that was signed elsewhere.
func caInstallList(f *caFlags, args []string) error {
	var path string
	f.StringVar(&path, "list", "", "")
	slots, err := f.open(args)
	if err != nil {
		return err
	}
	if path == "" {
		return errors.New("--list FILE is needed; try: quotaryd ca --help")
	}
	list, _, err := keyfile.Read(path)
	if err != nil {
		return err
	}
	until, err := slots.InstallRootList(list)
	if err != nil {
		return err
	}
	fmt.Fprintf(f.stdout, "installed  until %s\n", until.UTC().Format(time.RFC3339))
	return nil
}

// rootListText says where the revocation list of the active authority's root comes from.
func rootListText(status ca.Status) string {
	switch {
	case status.RootKey:
		return "signed by the service"
	case !status.RootListUntil.IsZero():
		return "installed, until " + status.RootListUntil.UTC().Format(time.RFC3339) + ": sign and install the next one before (sign-list, install-list)"
	}
	return "none: who asks for a list of every CA accepts nothing (sign-list, install-list)"
}
