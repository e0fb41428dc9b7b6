package main

import (
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/sevsnp"
	"github.com/quotary/quotary/tee/tdx"
)

// urlOf says where a missing endorsement can be had, or returns "". What has a
// place, a store can fetch.
func urlOf(m tee.EndorsementName) string {
	anybody := authorities{new(sevsnp.Verifier), new(tdx.Verifier)} // places do not depend on the roots that are trusted
	for _, service := range new(vendorFlags).services(anybody) {
		if path, ok := service.Endorser.Locate(m); ok {
			return service.BaseURL + path
		}
	}
	return ""
}
