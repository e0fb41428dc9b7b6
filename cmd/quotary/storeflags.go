package main

import (
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/endorsements/store"
)

// storeFlags say which store is meant, what is authentic in it, and as of when.
type storeFlags struct {
	dir   string
	trust list
	at    instant
}

const storeFlagsHelp = `  --store DIR     the store's directory, such as a service's DATA/collateral
  --trust PATH    further vendor roots, of simulators or test PKIs; repeatable
  --at TIME       go by this time (RFC 3339) instead of now
`

func (f *storeFlags) define(fs *flag.FlagSet) {
	fs.StringVar(&f.dir, "store", "", "")
	fs.Var(&f.trust, "trust", "")
	fs.Var(&f.at, "at", "")
}

// check refuses a command line without a store.
func (f *storeFlags) check(fs *flag.FlagSet) error {
	if f.dir == "" {
		return usage("there is no --store", "name the store's directory, such as a service's DATA/collateral; see quotary "+fs.Name()+" --help")
	}
	return nil
}

// checkThere refuses a store that is not there: whoever only reads makes none.
func (f *storeFlags) checkThere() error {
	info, err := os.Stat(f.dir)
	switch {
	case err != nil:
		return withHint(fmt.Errorf("cannot read the store: %w", err), "name a directory that quotary endorsements prefetch or import, or a service, has filled")
	case !info.IsDir():
		return usage(f.dir+" is no directory, so it is no store", "give single files to quotary endorsements import")
	}
	return nil
}

// now is the time that the flags say.
func (f *storeFlags) now() time.Time {
	if f.at.given {
		return f.at.Time
	}
	return time.Now()
}

// authorities are those that trust what the flags say.
func (f *storeFlags) authorities() (authorities, error) {
	roots, err := loadAnchors(f.trust)
	if err != nil {
		return authorities{}, err
	}
	return newAuthorities(roots)
}

// config is that of a store which asks these services.
func (f *storeFlags) config(services []store.Vendor) store.Config {
	return store.Config{Dir: f.dir, Vendors: services, Now: f.now}
}

// openStore opens a store.
func openStore(c store.Config) (*store.Store, error) {
	opened, err := store.Open(c)
	switch evidence.CodeOf(err) {
	case evidence.CodeEndorsementVendor:
		err = withHint(err, "whom to ask is a base URL, of the vendor's service or of a mirror: https://HOST, with a prefix at most; http is for this machine alone")
	case evidence.CodeEndorsementStore:
		err = withHint(err, "--store names a directory that you may read, and write to if anything is to be kept")
	}
	return opened, err
}

// closeStore writes what is not written yet.
func closeStore(opened *store.Store) error {
	return withHint(opened.Close(), "is there room on the disk, and may you write there? what was written before is whole")
}
