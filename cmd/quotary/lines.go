package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/endorsements/store"
)

// The vendors, as the command line has them. The names of their services begin so.
const (
	vendorAMD   = "amd"
	vendorIntel = "intel"
)

// vendorOf returns whose service it is that a name of one means.
func vendorOf(service string) string {
	vendor, _, _ := strings.Cut(service, "-")
	return vendor
}

// vendorList is a flag of vendors that may be given several times. None means all.
type vendorList []string

func (l *vendorList) String() string { return strings.Join(*l, ",") }

func (l *vendorList) Set(value string) error {
	if value != vendorAMD && value != vendorIntel {
		return fmt.Errorf("must be %s or %s", vendorAMD, vendorIntel)
	}
	*l = append(*l, value)
	return nil
}

func (l vendorList) covers(vendor string) bool { return len(l) == 0 || slices.Contains(l, vendor) }

// line is a part of the endorsements that a site may do without: a vendor's, or of
// AMD's those for one line of products, which has roots, issuers and lists of its own.
type line struct{ vendor, product string }

func (l line) String() string { return strings.TrimSpace(l.vendor + " " + l.product) }

func lineOf(vendor string, name tee.EndorsementName) line {
	switch name.Type {
	case "vcek", "vlek", "ask", "asvk": // Milan, Milan/…, Milan?…
		product, _, _ := strings.Cut(name.ID, "/")
		product, _, _ = strings.Cut(product, "?")
		return line{vendor, product}
	case "crl": // vcek/Milan
		_, product, _ := strings.Cut(name.ID, "/")
		return line{vendor, product}
	}
	return line{vendor, ""}
}

// ofInterest leaves out of a store's status what is other vendors' than those that
// were named, and what is missing of lines that the store was never used for. These
// lines it returns by themselves.
func ofInterest(all []store.Status, named vendorList) (kept []store.Status, unused []string) {
	all = slices.DeleteFunc(slices.Clone(all), func(s store.Status) bool { return !named.covers(vendorOf(s.Vendor)) })
	u := usesOf(all)
	for _, s := range all {
		l := lineOf(vendorOf(s.Vendor), s.Name)
		switch {
		case u.isFor(l) || !u.held[l.vendor] && len(named) > 0:
			kept = append(kept, s)
		case !slices.Contains(unused, l.String()):
			unused = append(unused, l.String())
		}
	}
	return kept, unused
}

// uses are what a store was used for so far.
type uses struct {
	lines map[line]bool   // something of them is held, or was asked for in vain
	held  map[string]bool // vendors of which anything is held
	asked map[string]bool // and those that were asked in vain
}

func usesOf(all []store.Status) uses {
	u := uses{map[line]bool{}, map[string]bool{}, map[string]bool{}}
	for _, s := range all {
		l := lineOf(vendorOf(s.Vendor), s.Name)
		switch {
		case s.State != store.StateMissing:
			u.lines[l], u.held[l.vendor] = true, true
		case s.Error != nil:
			u.lines[l], u.asked[l.vendor] = true, true
		}
	}
	return u
}

// isFor reports whether the store is for a line. While nothing of a vendor is held,
// nothing tells its lines apart: a vendor that is down is not asked for all of them.
// A store that was used for nothing may be meant for everything.
func (u uses) isFor(l line) bool {
	if u.held[l.vendor] {
		return u.lines[l]
	}
	return u.asked[l.vendor] || len(u.lines) == 0
}
