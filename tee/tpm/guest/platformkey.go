package guest

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/google/go-tpm/tpm2"

	"github.com/quotary/quotary/evidence"
)

// The NV indices where Google's Compute Engine leaves the template of an attestation
// key on P-256, and the certificate of that key; see [Options.AKTemplate] and
// [TPM.Certificate].
const (
	GoogleAKCertificate = 0x01c10002
	GoogleAKTemplate    = 0x01c10003
)

// AzureAKCertificate is the NV index where Azure leaves the certificate of the
// attestation key [ParavisorAK], also in VMs that are not confidential.
const AzureAKCertificate = 0x01c101d0

// Certificate returns the certificate that a platform left in an NV index, DER without
// the padding behind it.
func (t *TPM) Certificate(ctx context.Context, index uint32) ([]byte, error) {
	return do(ctx, t, func(l *link) ([]byte, error) {
		data, err := l.readNV(tpm2.TPMHandle(index))
		if errors.Is(err, tpm2.TPMRCHandle) {
			return nil, evidence.Errorf(evidence.CodeAttesterAbsent, t.device.String(), "the TPM has no NV index %#x: it is not of this platform, or an older one: %w", index, err)
		}
		if err != nil {
			return nil, err
		}
		certificate, _ := cutCertificate(data)
		if certificate == nil {
			return nil, fmt.Errorf("the NV index %#x holds no certificate", index)
		}
		return certificate, nil
	})
}

// platformTemplate reads the template of an attestation key that a platform left in an
// NV index, zeros behind it.
func (l *link) platformTemplate(index tpm2.TPMHandle) (tpm2.TPMTPublic, error) {
	data, err := l.readNV(index)
	if err != nil {
		return tpm2.TPMTPublic{}, err
	}
	template, err := tpm2.Unmarshal[tpm2.TPMTPublic](data)
	if err != nil {
		return tpm2.TPMTPublic{}, fmt.Errorf("the NV index %#x holds no template: %w", uint32(index), err)
	}
	rest, isPrefix := bytes.CutPrefix(data, tpm2.Marshal(template))
	if !isPrefix || len(bytes.Trim(rest, "\x00")) > 0 {
		return tpm2.TPMTPublic{}, fmt.Errorf("the NV index %#x holds more than a template", uint32(index))
	}
	return *template, nil
}
