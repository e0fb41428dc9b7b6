package endorsements

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
)

// derSequence is the tag that every certificate and CRL begins with.
const derSequence = 0x30

// recogniseDER reads DER certificates and CRLs, one after the other. Behind the
// last may stand the padding of a TPM's NV index: zeros, or FF (erased).
func recogniseDER(data []byte) (found, error) {
	var all found
	for rest := data; ; {
		var object asn1.RawValue
		next, err := asn1.Unmarshal(rest, &object)
		if err != nil {
			return found{}, errMalformed("not DER: %v", err)
		}
		one, err := parseDER(object.FullBytes)
		if err != nil {
			return found{}, err
		}
		if err := all.merge(one); err != nil {
			return found{}, err
		}
		if isPadding(next) {
			return all, nil
		}
		if next[0] != derSequence {
			return found{}, errMalformed("%d bytes behind the DER object that are neither padding nor another object", len(next))
		}
		rest = next
	}
}

// parseDER reads exactly one certificate or CRL.
func parseDER(der []byte) (found, error) {
	cert, certErr := x509.ParseCertificate(der)
	if certErr == nil {
		return found{certificates: []*x509.Certificate{cert}}, nil
	}
	crl, crlErr := x509.ParseRevocationList(der)
	if crlErr == nil {
		return found{crls: []*x509.RevocationList{crl}}, nil
	}
	return found{}, errMalformed("a DER object that is no certificate (%v) and no CRL (%v)", certErr, crlErr)
}

// isPadding reports whether data is empty, all zero or all FF.
func isPadding(data []byte) bool {
	return len(data) == 0 ||
		(data[0] == 0 || data[0] == 0xFF) && len(bytes.TrimLeft(data, string(data[:1]))) == 0
}

var pemBegin = []byte("-----BEGIN ")

// recognisePEM reads PEM certificates and CRLs. Text between the blocks is
// allowed (openssl writes some); every block must be whole and of a known type.
func recognisePEM(data []byte) (found, error) {
	var all found
	blocks := 0
	for rest := data; ; blocks++ {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		if block == nil {
			break
		}
		one, err := parsePEM(block)
		if err != nil {
			return found{}, err
		}
		if err := all.merge(one); err != nil {
			return found{}, err
		}
	}
	// pem.Decode steps over what it cannot read.
	if begun := bytes.Count(data, pemBegin); begun != blocks {
		return found{}, errMalformed("%d of %d PEM blocks cannot be decoded", begun-blocks, begun)
	}
	return all, nil
}

func parsePEM(block *pem.Block) (found, error) {
	switch block.Type {
	case "CERTIFICATE", "TRUSTED CERTIFICATE", "X509 CERTIFICATE":
		f, err := recogniseDER(block.Bytes)
		if err == nil && (len(f.certificates) != 1 || len(f.crls) != 0) {
			err = errMalformed("a PEM block %s that is not one certificate", block.Type)
		}
		return f, err
	case "X509 CRL":
		f, err := recogniseDER(block.Bytes)
		if err == nil && (len(f.certificates) != 0 || len(f.crls) != 1) {
			err = errMalformed("a PEM block %s that is not one CRL", block.Type)
		}
		return f, err
	}
	return found{}, errMalformed("a PEM block of type %.40q; only CERTIFICATE and X509 CRL are endorsements", block.Type)
}
