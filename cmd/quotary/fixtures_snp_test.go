package main

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/sevsnp"
	"github.com/quotary/quotary/tee"
)

// simulatedAMD makes the simulated vendor of each product line, Milan's first: a
// store's baseline has the lists of them all.
var simulatedAMD = sync.OnceValues(func() ([]*sevsnp.Vendor, error) {
	var vendors []*sevsnp.Vendor
	for _, product := range []string{sevsnp.Milan, sevsnp.Genoa, sevsnp.Turin} {
		vendor, err := sevsnp.NewVendor(sevsnp.VendorOptions{Seed: "cli", Product: product, NotBefore: simulatedNow.Add(-time.Hour)})
		if err != nil {
			return nil, err
		}
		vendors = append(vendors, vendor)
	}
	return vendors, nil
})

// simulateSNP makes, besides sim/snp.bin and the roots:
//
//	sim/turin.bin         a report of a Turin machine, without anything
//	sim/vlek.json         evidence signed by a provider's key, with its certificates
//	sim/snp-policy.yaml   a policy for both, which wants the revocation list
//	sim/old.bin           a report of version 2, which does not say that it is Genoa's
//	sim/masked.bin        a report whose chip the host masks
//	sim/kds/…             files from the key distribution service, and a host's certificate table
//	sim/newer.der         a list that follows the one that the service hands out
//	sim/forged-….der      a key's certificate and a list whose signature is wrong
func simulateSNP(files map[string][]byte, published *tee.Endorsements) error {
	vendors, err := simulatedAMD()
	if err != nil {
		return err
	}
	milan, genoa, turin := vendors[0], vendors[1], vendors[2]
	for name, machine := range map[string]struct {
		vendor  *sevsnp.Vendor
		options sevsnp.MachineOptions
	}{
		"sim/snp.bin":    {milan, sevsnp.MachineOptions{Name: "machine"}},
		"sim/turin.bin":  {turin, sevsnp.MachineOptions{Name: "machine"}},
		"sim/old.bin":    {genoa, sevsnp.MachineOptions{Name: "old", Report: old(genoa)}},
		"sim/masked.bin": {milan, sevsnp.MachineOptions{Name: "masked", Report: masked(milan)}},
	} {
		if files[name], err = simulatedReport(machine.vendor, machine.options); err != nil {
			return err
		}
	}
	files["sim/snp-policy.yaml"] = fmt.Appendf(nil, simulatedSNPPolicy, milan.Report("").Measurement)
	milan.Endorsements(published)
	if files["sim/vlek.json"], err = simulatedVLEK(milan); err != nil {
		return err
	}
	for i, name := range []string{"amd", "genoa", "turin"} {
		files["sim/roots/"+name+".der"] = vendors[i].Anchor().DER
	}
	return simulateFiles(files, turin)
}

const simulatedSNPPolicy = `apiVersion: quotary.dev/v1
kind: Workload
name: simulated
identity: {spiffe_id: spiffe://example.org/simulated}
allow_simulated: true
any_of:
  - sev_snp: {measurements: [%x], minimum_tcb: any, revocation: require}
`

func simulatedReport(vendor *sevsnp.Vendor, options sevsnp.MachineOptions) ([]byte, error) {
	machine, err := vendor.NewMachine(options)
	if err != nil {
		return nil, err
	}
	item, err := machine.Item(simulatedReportData)
	if err != nil {
		return nil, err
	}
	return item.Report, nil
}

func masked(vendor *sevsnp.Vendor) *sevsnp.Report {
	report := vendor.Report("masked")
	report.ChipID = [64]byte{}
	return report
}

func old(vendor *sevsnp.Vendor) *sevsnp.Report {
	report := vendor.Report("old")
	report.Version, report.CPUFamily, report.CPUModel, report.CPUStepping = 2, 0, 0, 0
	return report
}

func simulatedVLEK(vendor *sevsnp.Vendor) ([]byte, error) {
	machine, err := vendor.NewMachine(sevsnp.MachineOptions{Name: "cloud", CSPID: "aws"})
	if err != nil {
		return nil, err
	}
	item, err := machine.Item(simulatedReportData)
	if err != nil {
		return nil, err
	}
	return evidence.Bundle{item}.MarshalJSON()
}

// simulateFiles makes what somebody may hand to import.
func simulateFiles(files map[string][]byte, vendor *sevsnp.Vendor) error {
	machine, err := vendor.NewMachine(sevsnp.MachineOptions{Name: "imported"})
	if err != nil {
		return err
	}
	key := machine.Certificate.Raw
	for _, resource := range []string{"cert_chain", "crl"} {
		status, _, body := sevsnp.KDS{vendor}.Answer("GET", "/vcek/v1/Turin/"+resource, "")
		if status != 200 {
			return fmt.Errorf("%s: %d", resource, status)
		}
		files["sim/kds/"+resource] = body
	}
	files["sim/auxblob"] = certificateTable(map[evidence.AuxiliaryGUID][]byte{evidence.AuxiliaryVCEK: key})
	newer, err := vendor.ARK().CRL(sevsnp.CRLOptions{Number: 2, ThisUpdate: simulatedNow.Add(-time.Minute), NextUpdate: simulatedNow.Add(time.Hour)})
	if err != nil {
		return err
	}
	files["sim/newer.der"] = newer.Raw
	files["sim/forged-vcek.der"] = forge(key)
	files["sim/forged-crl.der"] = forge(newer.Raw)
	return nil
}

// forge breaks the signature, which stands at the end.
func forge(signed []byte) []byte {
	forged := slices.Clone(signed)
	forged[len(forged)-1] ^= 1
	return forged
}

// certificateTable is what a host hands its guests.
func certificateTable(entries map[evidence.AuxiliaryGUID][]byte) []byte {
	const entrySize = 24
	header := make([]byte, (len(entries)+1)*entrySize)
	var blobs []byte
	at := 0
	for id, blob := range entries {
		copy(header[at:], id[:])
		binary.LittleEndian.PutUint32(header[at+16:], uint32(len(header)+len(blobs)))
		binary.LittleEndian.PutUint32(header[at+20:], uint32(len(blob)))
		blobs = append(blobs, blob...)
		at += entrySize
	}
	return append(header, blobs...)
}
