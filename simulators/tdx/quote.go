package tdx

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/binary"
)

// Parts are a quote taken apart: everything that gets signed can be altered
// before [Parts.Assemble] signs it.
type Parts struct {
	Header     []byte // 48 bytes
	Descriptor []byte // version 5: body type and size, 6 bytes
	Body       []byte // TD report, 584 or 648 bytes
	QEReport   []byte // 384 bytes, with the attestation key's hash in its report data
	Auth       []byte // QE authentication data
	Chain      []byte // PEM: leaf, CA, root
	OuterType  uint16 // certification data types: 6 and 5
	InnerType  uint16

	AttestationKey *ecdsa.PrivateKey // signs header, descriptor and body
	PCKKey         *ecdsa.PrivateKey // signs the QE report
}

// Parts returns the parts of a genuine quote with this REPORTDATA.
func (m *Machine) Parts(reportData [64]byte) *Parts {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.parts(reportData)
}

func (m *Machine) parts(reportData [64]byte) *Parts {
	p := &Parts{
		Header: m.header(), Body: m.body(reportData), QEReport: m.qeReport(),
		Auth: make([]byte, 32), Chain: EncodeChain(m.certificate, m.ca.Certificate, m.root),
		OuterType: 6, InnerType: 5,
		AttestationKey: m.attestation, PCKKey: m.pck,
	}
	for i := range p.Auth {
		p.Auth[i] = byte(i)
	}
	if m.opts.Version == 5 {
		kind := uint16(2)
		if m.opts.TD15 {
			kind = 3
		}
		p.Descriptor = binary.LittleEndian.AppendUint16(nil, kind)
		p.Descriptor = binary.LittleEndian.AppendUint32(p.Descriptor, uint32(len(p.Body)))
	}
	p.Bind()
	return p
}

// header returns a quote header.
func (m *Machine) header() []byte {
	b := binary.LittleEndian.AppendUint16(nil, m.opts.Version)
	b = binary.LittleEndian.AppendUint16(b, 2)    // ECDSA P-256
	b = binary.LittleEndian.AppendUint32(b, 0x81) // TDX
	b = append(b, 0, 0, 0, 0)
	b = append(b, 0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9, 0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07)
	return append(b, make([]byte, 20)...)
}

// body returns a TD report body.
func (m *Machine) body(reportData [64]byte) []byte {
	o := &m.opts
	var b []byte
	for _, field := range [][]byte{
		o.TEETCBSVN[:], o.MRSEAM[:], o.MRSignerSEAM[:], o.SEAMAttributes[:], o.Attributes[:], o.XFAM[:],
		o.MRTD[:], o.MRConfigID[:], o.MROwner[:], o.MROwnerConfig[:],
		m.registers[0][:], m.registers[1][:], m.registers[2][:], m.registers[3][:], reportData[:],
	} {
		b = append(b, field...)
	}
	if o.TD15 {
		b = append(append(b, o.TEETCBSVN2[:]...), o.MRServiceTD[:]...)
	}
	return b
}

// qeReport returns the quoting enclave's report, without report data yet.
func (m *Machine) qeReport() []byte {
	r := make([]byte, 384)
	copy(r[0:16], m.opts.Components[:])
	copy(r[48:64], []byte{0x15, 0, 0, 0, 0, 0, 0, 0, 0xe7})
	enclave, signer := sha256.Sum256([]byte("SIMULATED quoting enclave's code")), quotingEnclaveSigner()
	copy(r[64:96], enclave[:])
	copy(r[128:160], signer[:])
	binary.LittleEndian.PutUint16(r[256:], quotingEnclaveProduct)
	binary.LittleEndian.PutUint16(r[258:], m.opts.QESVN)
	return r
}

// Bind puts the hash of attestation key and authentication data into the QE
// report, as a genuine quoting enclave does.
func (p *Parts) Bind() {
	digest := sha256.Sum256(append(publicBytes(p.AttestationKey), p.Auth...))
	clear(p.QEReport[copy(p.QEReport[320:], digest[:])+320:])
}

// Assemble signs the parts and puts the quote together.
func (p *Parts) Assemble() []byte {
	signed := append(append(append([]byte(nil), p.Header...), p.Descriptor...), p.Body...)

	inner := append([]byte(nil), p.QEReport...)
	inner = append(inner, Sign(p.PCKKey, p.QEReport)...)
	inner = binary.LittleEndian.AppendUint16(inner, uint16(len(p.Auth)))
	inner = append(inner, p.Auth...)
	inner = appendSized(inner, p.InnerType, p.Chain)

	data := Sign(p.AttestationKey, signed)
	data = append(data, publicBytes(p.AttestationKey)...)
	data = appendSized(data, p.OuterType, inner)

	out := binary.LittleEndian.AppendUint32(signed, uint32(len(data)))
	return append(out, data...)
}

// appendSized appends certification data: type, size, data.
func appendSized(b []byte, kind uint16, data []byte) []byte {
	b = binary.LittleEndian.AppendUint16(b, kind)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(data)))
	return append(b, data...)
}

// publicBytes returns x ‖ y.
func publicBytes(key *ecdsa.PrivateKey) []byte { return must(key.PublicKey.Bytes())[1:] }
