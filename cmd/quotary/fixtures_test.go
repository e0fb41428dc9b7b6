package main

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	sevtest "github.com/google/go-sev-guest/verify/testdata"
	tdxtesting "github.com/google/go-tdx-guest/testing"
	tdxtest "github.com/google/go-tdx-guest/testing/testdata"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/tdx"
	"github.com/quotary/quotary/simulators/tpm"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/endorsements"
)

// simulatedNow is the time at which the simulated evidence is judged.
var simulatedNow = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// simulatedReportData is what simulated SNP and TDX evidence carries: 00 01 02 …
var simulatedReportData = func() (data [64]byte) {
	for i := range data {
		data[i] = byte(i)
	}
	return data
}()

// writeFixtures writes evidence for scripts into dir:
//
//	real/report.bin, real/vcek.der    a public sample from a debuggable Milan guest
//	real/quote.bin                    a public sample of a TDX quote
//	sim/snp.bin, sim/tdx.bin          a report and a quote of simulated machines
//	sim/booted.bin, sim/ccel.bin      a quote of a machine with an event log, and that
//	sim/quote.msg, .sig, .pcrs        a simulated TPM's quote over 0a0b
//	sim/ak.pub, sim/ak.pem            its attestation key, whose certificate is sim/ak.crt
//	real/collateral                   Intel's collateral for it, valid in June 2023
//	sim/stranger.bin                  a quote of a platform that nobody has published anything of
//	sim/endorsements, sim/roots       what the simulated vendors publish
//	sim/turin.bin, sim/vlek.json, …   see fixtures_snp_test.go
//	sim/policy.yaml, sim/strict.yaml  a policy for sim/tdx.bin; the second without consent to simulations
func writeFixtures(dir string) error {
	files, err := fixtures()
	if err != nil {
		return err
	}
	for name, data := range files {
		if err := writeFile(dir, name, data); err != nil {
			return err
		}
	}
	return nil
}

func writeFile(dir, name string, data []byte) error {
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o644)
}

// fixtures makes all files once.
var fixtures = sync.OnceValues(func() (map[string][]byte, error) {
	quote, _, _ := bytes.Cut(tdxtest.RawQuote, []byte("\nextra bytes")) // a note behind the published sample
	files := map[string][]byte{
		"real/report.bin": sevtest.AttestationBytes,
		"real/vcek.der":   sevtest.VcekBytes,
		"real/quote.bin":  quote,
	}
	if err := recorded(files); err != nil {
		return nil, err
	}
	published := &tee.Endorsements{}
	for _, simulate := range []func(map[string][]byte, *tee.Endorsements) error{simulateSNP, simulateTDX, simulateTPM} {
		if err := simulate(files, published); err != nil {
			return nil, err
		}
	}
	return files, addEndorsements(files, published)
})

// recorded adds what Intel's services answered for the public sample of a quote:
// bodies, and the chains of headers.
func recorded(files map[string][]byte) error {
	for name, body := range map[string][]byte{
		"tcb_info.json": tdxtest.TcbInfoBody, "qe_identity.json": tdxtest.QeIdentityBody, "pck_crl.der": tdxtest.PckCrlBody, "root_crl.der": tdxtest.RootCrlBody,
	} {
		files["real/collateral/"+name] = body
	}
	for name, chain := range map[string][]string{
		"signing_chain.pem": tdxtesting.TcbInfoHeader["Tcb-Info-Issuer-Chain"], "pck_crl_chain.pem": tdxtesting.PckCrlHeader["Sgx-Pck-Crl-Issuer-Chain"],
	} {
		text, err := url.QueryUnescape(chain[0])
		if err != nil {
			return err
		}
		files["real/collateral/"+name] = []byte(text)
	}
	return nil
}

// simulatedIntel makes the simulated vendor of TDX machines.
var simulatedIntel = sync.OnceValue(func() *tdx.Vendor {
	return tdx.NewVendor(tdx.Options{Seed: "cli", Clock: func() time.Time { return simulatedNow }})
})

func simulateTDX(files map[string][]byte, published *tee.Endorsements) error {
	vendor := simulatedIntel()
	stranger := tdx.DefaultMachine()
	stranger.FMSPC = [6]byte{0: 0xff}
	files["sim/stranger.bin"] = vendor.NewMachine(stranger).Quote(simulatedReportData)
	machine := vendor.NewMachine(tdx.DefaultMachine())
	vendor.Endorsements(published)
	quote := machine.Quote(simulatedReportData)
	files["sim/tdx.bin"] = quote
	files["sim/policy.yaml"] = fmt.Appendf(nil, simulatedPolicy, true, quote[mrtdOffset:mrtdOffset+48])
	files["sim/strict.yaml"] = fmt.Appendf(nil, simulatedPolicy, false, quote[mrtdOffset:mrtdOffset+48])
	files["sim/roots/intel.der"] = vendor.Anchor().DER
	options := tdx.BootedMachine()
	options.Name = "booted"
	booted := vendor.NewMachine(options)
	files["sim/booted.bin"], files["sim/ccel.bin"] = booted.Quote(simulatedReportData), booted.EventLog()
	return nil
}

// mrtdOffset is where MRTD stands in a quote of version 4: behind the header.
const mrtdOffset = 48 + 136

// simulatedPolicy is a policy for the simulated quote, with and without consent
// to simulated evidence.
const simulatedPolicy = `apiVersion: quotary.dev/v1
kind: Workload
name: simulated
identity: {spiffe_id: spiffe://example.org/simulated, dns_names: [a.example.org]}
allow_simulated: %t
any_of:
  - tdx: {mrtd: [%x], rtmr0: any, rtmr1: any, rtmr2: any, rtmr3: any}
`

func simulateTPM(files map[string][]byte, published *tee.Endorsements) error {
	vendor, err := tpm.NewVendor(tpm.Options{Seed: "cli", Clock: func() time.Time { return simulatedNow }})
	if err != nil {
		return err
	}
	machine, err := vendor.NewMachine(tpm.MachineOptions{Name: "machine"})
	if err != nil {
		return err
	}
	quote, err := machine.Quote([]byte{0x0a, 0x0b})
	if err != nil {
		return err
	}
	spki, err := x509.MarshalPKIXPublicKey(machine.Key.Public())
	if err != nil {
		return err
	}
	files["sim/quote.msg"] = quote.Attest
	files["sim/quote.sig"] = quote.Signature
	files["sim/quote.pcrs"] = printPCRs(quote.PCRs)
	files["sim/ak.pub"] = machine.Public
	files["sim/ak.pem"] = pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki})
	files["sim/ak.crt"] = machine.Certificate.Raw
	files["sim/roots/tpm.der"] = vendor.Anchor().DER
	return vendor.Endorsements(published)
}

// printPCRs writes PCR values as tpm2_pcrread prints them.
func printPCRs(pcrs evidence.PCRs) []byte {
	var b bytes.Buffer
	for bank, values := range pcrs {
		fmt.Fprintf(&b, "%s:\n", bank)
		for index := range evidence.MaxPCR + 1 {
			if value, ok := values[index]; ok {
				fmt.Fprintf(&b, "  %-2d: 0x%X\n", index, []byte(value))
			}
		}
	}
	return b.Bytes()
}

// addEndorsements writes endorsements to files by way of a directory.
func addEndorsements(files map[string][]byte, published *tee.Endorsements) error {
	dir, err := os.MkdirTemp("", "endorsements")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := endorsements.Save(dir, published); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if files["sim/endorsements/"+entry.Name()], err = os.ReadFile(filepath.Join(dir, entry.Name())); err != nil {
			return err
		}
	}
	return nil
}
