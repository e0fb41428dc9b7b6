package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/quotary/quotary/internal/anchors"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/endorsements/store"
)

// statusOf makes a store's status of words: "amd-kds:crl:vcek/Milan held".
func statusOf(words ...string) []store.Status {
	var all []store.Status
	for _, word := range words {
		parts := strings.Split(strings.Fields(word)[0], ":")
		s := store.Status{Vendor: parts[0], Name: tee.EndorsementName{Type: parts[1], ID: parts[2]}, State: store.StateMissing}
		switch {
		case strings.HasSuffix(word, " held"):
			s.State = store.StateCurrent
		case strings.HasSuffix(word, " failed"):
			s.Error = errors.New("down")
		}
		all = append(all, s)
	}
	return all
}

// TestOfInterest says what counts as missing, and what a store is not for.
func TestOfInterest(t *testing.T) {
	const milan, turin, root = "amd-kds:crl:vcek/Milan", "amd-kds:ask:Turin", "intel-root:root-crl:intel-sgx-root"
	for name, c := range map[string]struct {
		status []string
		named  vendorList
		kept   int
		unused string
	}{
		"nothing is held":                {[]string{milan, turin, root}, nil, 3, ""},
		"and one vendor named":           {[]string{milan, turin, root}, vendorList{"amd"}, 2, ""},
		"a line is held":                 {[]string{milan, turin + " held", root}, nil, 1, "amd Milan, intel"},
		"by its key alone":               {[]string{milan, turin, root, "amd-kds:vcek:Milan/00?blSPL=1 held"}, nil, 2, "amd Turin, intel"},
		"by a provider's":                {[]string{milan, turin, root, "amd-kds:vlek:Turin?blSPL=1 held"}, nil, 2, "amd Milan, intel"},
		"and its vendor named":           {[]string{milan, turin + " held", root}, vendorList{"amd"}, 1, "amd Milan"},
		"and both":                       {[]string{milan, turin + " held", root}, vendorList{"amd", "intel"}, 2, "amd Milan"},
		"and the other":                  {[]string{milan, turin + " held", root}, vendorList{"intel"}, 1, ""},
		"another was asked for in vain":  {[]string{milan + " failed", turin + " held", root}, nil, 2, "intel"},
		"a vendor was asked in vain":     {[]string{milan + " failed", turin, root}, nil, 2, "intel"},
		"the other is held":              {[]string{milan, turin, root + " held"}, nil, 1, "amd Milan, amd Turin"},
		"and was asked in vain":          {[]string{milan, turin, root + " held", "intel-pcs:pck-crl:platform failed"}, nil, 2, "amd Milan, amd Turin"},
		"a caching service is Intel's":   {[]string{milan, "intel-pccs:pck-crl:platform", root + " held"}, nil, 2, "amd Milan"},
		"an issuer by its key is a line": {[]string{milan, turin, "amd-kds:ask:Milan/00 held"}, nil, 2, "amd Turin"},
	} {
		kept, unused := ofInterest(statusOf(c.status...), c.named)
		if len(kept) != c.kept || strings.Join(unused, ", ") != c.unused {
			t.Errorf("%s: kept %v, unused %v", name, kept, unused)
		}
	}
}

// TestServicesHaveVendors holds services to names that begin with their vendor, and
// each vendor to needs of its own.
func TestServicesHaveVendors(t *testing.T) {
	a, err := newAuthorities(anchors.Set{})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []vendorFlags{{}, {intelPCCS: "https://pccs.example:8081"}} {
		seen := map[string]bool{}
		for _, service := range f.services(a) {
			vendor := vendorOf(service.Name)
			seen[vendor] = true
			if new(vendorList).Set(vendor) != nil {
				t.Errorf("%s is of no vendor", service.Name)
			}
			for _, name := range a.baseline(vendorList{vendor}) {
				if lineOf(vendor, name) == (line{vendor, ""}) != (vendor == vendorIntel) {
					t.Errorf("%s is of line %q", name, lineOf(vendor, name))
				}
			}
		}
		if !seen[vendorAMD] || !seen[vendorIntel] {
			t.Errorf("services of %v", seen)
		}
	}
}
