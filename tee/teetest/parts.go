package teetest

import (
	"bytes"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// part is a byte string of an item.
type part struct {
	name  string
	value []byte
	set   func([]byte)
	// optional parts may be absent; transport serves to find what is then verified itself.
	optional, transport bool
}

// partsOf lists the parts of an item; the first is what the hardware signed.
func partsOf(item evidence.Item) []part {
	var parts []part
	add := func(name string, at *[]byte, optional, transport bool) {
		if len(*at) > 0 {
			parts = append(parts, part{name, *at, func(b []byte) { *at = b }, optional, transport})
		}
	}
	switch i := item.(type) {
	case *evidence.SNP:
		add("report", &i.Report, false, false)
		for n := range i.Certificates {
			add(fmt.Sprintf("certificate %d", n), &i.Certificates[n], true, true)
		}
		add("runtime_data", &i.RuntimeData, true, true)
	case *evidence.TDX:
		add("quote", &i.Quote, false, false)
		add("event_log", &i.EventLog, true, false)
		add("runtime_data", &i.RuntimeData, true, true)
	case *evidence.TPM:
		add("attest", &i.Attest, false, false)
		add("signature", &i.Signature, false, false)
		add("ak_public", &i.AKPublic, true, false)
		for n := range i.AKCertificates {
			add(fmt.Sprintf("ak_certificate %d", n), &i.AKCertificates[n], true, true)
		}
		add("event_log", &i.EventLog, true, false)
		add("ima_log", &i.IMALog, true, false)
		if c := i.Certification; c != nil {
			add("certification attest", &c.Attest, false, false)
			add("certification signature", &c.Signature, false, false)
			add("certified public", &c.Public, false, false)
		}
		parts = append(parts, partsOfPCRs(i.PCRs)...)
	}
	return parts
}

// partsOfPCRs lists PCR values in the order of bank and index.
func partsOfPCRs(pcrs evidence.PCRs) []part {
	var parts []part
	for _, bank := range slices.Sorted(maps.Keys(pcrs)) {
		for _, index := range slices.Sorted(maps.Keys(pcrs[bank])) {
			parts = append(parts, part{
				name: fmt.Sprintf("PCR %d of %s", index, bank), value: pcrs[bank][index],
				set: func(b []byte) { pcrs[bank][index] = b },
			})
		}
	}
	return parts
}

// emptyItem returns an item of a kind with nothing in it.
func emptyItem(kind evidence.Kind) evidence.Item { return Item(kind, nil) }

// cloneItem returns a copy that shares nothing with item.
func cloneItem(item evidence.Item) evidence.Item {
	switch i := item.(type) {
	case *evidence.SNP:
		return &evidence.SNP{Report: bytes.Clone(i.Report), Certificates: cloneAll(i.Certificates), RuntimeData: bytes.Clone(i.RuntimeData)}
	case *evidence.TDX:
		return &evidence.TDX{Quote: bytes.Clone(i.Quote), EventLog: bytes.Clone(i.EventLog), RuntimeData: bytes.Clone(i.RuntimeData)}
	case *evidence.TPM:
		clone := *i
		clone.Attest, clone.Signature, clone.AKPublic = bytes.Clone(i.Attest), bytes.Clone(i.Signature), bytes.Clone(i.AKPublic)
		clone.AKCertificates = cloneAll(i.AKCertificates)
		clone.EventLog, clone.IMALog = bytes.Clone(i.EventLog), bytes.Clone(i.IMALog)
		if c := i.Certification; c != nil {
			clone.Certification = &evidence.TPMCertification{Attest: bytes.Clone(c.Attest), Signature: bytes.Clone(c.Signature), Public: bytes.Clone(c.Public)}
		}
		clone.PCRs = maps.Clone(i.PCRs)
		for bank, values := range clone.PCRs {
			clone.PCRs[bank] = maps.Clone(values)
			for index, value := range values {
				clone.PCRs[bank][index] = bytes.Clone(value)
			}
		}
		return &clone
	default:
		panic("teetest: an item of an unknown type")
	}
}

func cloneAll(all [][]byte) [][]byte {
	out := slices.Clone(all)
	for i := range out {
		out[i] = bytes.Clone(out[i])
	}
	return out
}

// snapshot is everything in e, as text, so that it shares nothing with e.
func snapshot(e *tee.Endorsements) []string {
	var all []string
	for _, cert := range e.Certificates() {
		all = append(all, string(cert.Raw), string(cert.RawTBSCertificate), string(cert.RawSubject), cert.SerialNumber.String())
	}
	for _, crl := range e.RevocationLists() {
		all = append(all, string(crl.Raw), string(crl.RawIssuer), fmt.Sprint(len(crl.RevokedCertificateEntries)))
	}
	for _, d := range e.AllDocuments() {
		all = append(all, string(d.Type), d.Key, string(d.Raw))
	}
	return all
}

// spoil sets everything that is reachable from v to zero, from the leaves up.
func spoil(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			spoil(v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			spoil(v.Index(i))
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			spoil(v.MapIndex(key))
			v.SetMapIndex(key, reflect.Value{})
		}
	case reflect.Struct:
		if v.CanSet() && !hasReferences(v.Type()) {
			v.SetZero()
			return
		}
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				spoil(v.Field(i))
			}
		}
	default:
		if v.CanSet() {
			v.SetZero()
		}
	}
}

// hasReferences reports whether a struct has exported fields to go into.
func hasReferences(t reflect.Type) bool {
	for i := range t.NumField() {
		if t.Field(i).IsExported() {
			return true
		}
	}
	return false
}
