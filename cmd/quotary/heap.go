package main

import "github.com/quotary/quotary/tee"

// unknownOf returns what of found is neither held nor authentic.
func unknownOf(found, held *tee.Endorsements, authentic []tee.Endorsed) *tee.Endorsements {
	known := map[string]bool{}
	for _, heap := range []*tee.Endorsements{held, heapOf(authentic)} {
		eachOf(heap, func(d tee.Endorsed) { known[rawOf(d)] = true })
	}
	unknown := &tee.Endorsements{}
	eachOf(found, func(d tee.Endorsed) {
		if !known[rawOf(d)] {
			d.AddTo(unknown)
		}
	})
	return unknown
}

func heapOf(all []tee.Endorsed) *tee.Endorsements {
	heap := &tee.Endorsements{}
	for _, d := range all {
		d.AddTo(heap)
	}
	return heap
}

// eachOf calls visit for every entry of a heap.
func eachOf(heap *tee.Endorsements, visit func(tee.Endorsed)) {
	for _, cert := range heap.Certificates() {
		visit(tee.Endorsed{Certificate: cert})
	}
	for _, list := range heap.RevocationLists() {
		visit(tee.Endorsed{CRL: list})
	}
	for _, document := range heap.AllDocuments() {
		visit(tee.Endorsed{Document: &document})
	}
}

// rawOf is what was signed.
func rawOf(d tee.Endorsed) string {
	switch {
	case d.Certificate != nil:
		return string(d.Certificate.Raw)
	case d.CRL != nil:
		return string(d.CRL.Raw)
	}
	return string(d.Document.Raw)
}

// describeEndorsed says what an entry calls itself.
func describeEndorsed(d tee.Endorsed) string {
	switch {
	case d.Certificate != nil:
		return "certificate of " + d.Certificate.Subject.String()
	case d.CRL != nil:
		return "revocation list of " + d.CRL.Issuer.String()
	}
	return string(d.Document.Type) + " " + d.Document.Key
}
