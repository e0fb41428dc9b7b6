// Package samples offers real evidence from real machines: the public samples
// that ship as test data of the vendors' Go libraries, with the endorsements of
// their time. It shows anybody without hardware that verification is real.
package samples

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"net/url"
	"time"

	sev "github.com/google/go-sev-guest/verify/testdata"
	tdxresponses "github.com/google/go-tdx-guest/testing"
	tdx "github.com/google/go-tdx-guest/testing/testdata"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/endorsements"
)

// Sample is one piece of real evidence.
type Sample struct {
	Name         string
	Item         evidence.Item
	Endorsements *tee.Endorsements
	At           time.Time // an instant at which its endorsements hold
}

// All returns the samples.
func All() ([]Sample, error) {
	snp, err := milan()
	if err != nil {
		return nil, fmt.Errorf("samples: %w", err)
	}
	quote, err := sapphireRapids()
	if err != nil {
		return nil, fmt.Errorf("samples: %w", err)
	}
	return []Sample{snp, quote}, nil
}

// milan is a report of a guest on an AMD EPYC "Milan" processor, 2022; the
// guest's policy allows debugging.
func milan() (Sample, error) {
	s := Sample{
		Name: "AMD EPYC Milan, SEV-SNP report of 2022",
		Item: &evidence.SNP{Report: sev.AttestationBytes},
		At:   time.Date(2023, time.August, 9, 15, 55, 28, 0, time.UTC),
	}
	var err error
	s.Endorsements, err = parse(map[string][]byte{"vcek": sev.VcekBytes})
	return s, err
}

// sapphireRapids is a quote of a trust domain on an Intel Xeon "Sapphire
// Rapids" processor, 2023. Its platform is older than every TCB level that
// Intel's collateral of that week names.
func sapphireRapids() (Sample, error) {
	s := Sample{
		Name: "Intel Xeon Sapphire Rapids, TDX quote of 2023",
		At:   time.Date(2023, time.June, 28, 8, 0, 0, 0, time.UTC),
	}
	quote, _, _ := bytes.Cut(tdx.RawQuote, []byte("\nextra bytes")) // the library's tests append a note to the quote
	s.Item = &evidence.TDX{Quote: quote}
	documents := map[string][]byte{
		"tcb-info": tdx.TcbInfoBody, "qe-identity": tdx.QeIdentityBody, "pck-crl": tdx.PckCrlBody, "root-crl": tdx.RootCrlBody,
	}
	for name, header := range map[string][]string{
		"tcb-chain": tdxresponses.TcbInfoHeader["Tcb-Info-Issuer-Chain"],
		"pck-chain": tdxresponses.PckCrlHeader["Sgx-Pck-Crl-Issuer-Chain"],
	} {
		chain, err := url.QueryUnescape(header[0])
		if err != nil {
			return s, err
		}
		documents[name] = []byte(chain)
	}
	var err error
	s.Endorsements, err = parse(documents)
	return s, err
}

func parse(documents map[string][]byte) (*tee.Endorsements, error) {
	e := &tee.Endorsements{}
	for name, data := range documents {
		if der, err := hex.DecodeString(string(bytes.TrimSpace(data))); err == nil {
			data = der // the service answers in hex where it is not asked for DER
		}
		if err := endorsements.Parse(name, data, e); err != nil {
			return nil, err
		}
	}
	return e, nil
}
