package guest

import (
	"errors"
	"fmt"
	"slices"

	"github.com/google/go-tpm/tpm2"
)

// indices lists the NV indices that the TPM has, in ascending order.
func (l *link) indices() ([]tpm2.TPMHandle, error) {
	all, err := l.handles(firstIndex)
	if err != nil {
		return nil, err
	}
	slices.Sort(all)
	return all, nil
}

// firstIndex is where the handles of NV indices begin (TPM 2.0 part 2, 7.2).
const firstIndex = tpm2.TPMHandle(0x01000000)

// readNV reads an NV index as a whole, in pieces that the TPM hands out.
func (l *link) readNV(index tpm2.TPMHandle) ([]byte, error) {
	read, err := tpm2.NVReadPublic{NVIndex: index}.Execute(l)
	if err != nil {
		return nil, fmt.Errorf("cannot look at the NV index %#x: %w", uint32(index), err)
	}
	public, err := read.NVPublic.Contents()
	if err != nil {
		return nil, fmt.Errorf("the NV index %#x cannot be read: %w", uint32(index), err)
	}
	if int(public.DataSize) > maxNV {
		return nil, fmt.Errorf("the NV index %#x has %d bytes; at most %d are read", uint32(index), public.DataSize, maxNV)
	}
	piece, err := l.property(tpm2.TPMPTNVBufferMax)
	if err != nil {
		return nil, err
	}
	if piece == 0 {
		return nil, errors.New("the TPM hands out NV in pieces of 0 bytes")
	}
	self := tpm2.NamedHandle{Handle: index, Name: read.NVName}
	data := make([]byte, 0, public.DataSize)
	for len(data) < int(public.DataSize) {
		got, err := tpm2.NVRead{
			AuthHandle: l.reader(index, read.NVName, public.Attributes), NVIndex: self,
			Size: uint16(min(int(public.DataSize)-len(data), int(piece))), Offset: uint16(len(data)),
		}.Execute(l)
		if err != nil {
			return nil, fmt.Errorf("the NV index %#x cannot be read: %w", uint32(index), err)
		}
		if len(got.Data.Buffer) == 0 || len(data)+len(got.Data.Buffer) > int(public.DataSize) {
			return nil, fmt.Errorf("the NV index %#x hands out %d bytes of %d", uint32(index), len(data)+len(got.Data.Buffer), public.DataSize)
		}
		data = append(data, got.Data.Buffer...)
	}
	return data, nil
}

// reader is who may read an index: whoever knows its own authorization, which is
// empty for what everybody may read, or the owner.
func (l *link) reader(index tpm2.TPMHandle, name tpm2.TPM2BName, attributes tpm2.TPMANV) tpm2.AuthHandle {
	if attributes.AuthRead {
		return tpm2.AuthHandle{Handle: index, Name: name, Auth: tpm2.PasswordAuth(nil)}
	}
	return tpm2.AuthHandle{Handle: tpm2.TPMRHOwner, Auth: tpm2.PasswordAuth(l.options.OwnerAuth)}
}
