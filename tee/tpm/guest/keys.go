package guest

import (
	"fmt"

	"github.com/google/go-tpm/tpm2"
)

// object is a key in the TPM, under a handle that is valid as long as the link.
type object struct {
	handle tpm2.TPMHandle
	name   tpm2.TPM2BName
	public *tpm2.TPMTPublic
	area   []byte // TPMT_PUBLIC
}

// withAuth returns the object as one that is authorized by an empty value, as all
// keys are that this package makes.
func (o *object) withAuth() tpm2.AuthHandle {
	return tpm2.AuthHandle{Handle: o.handle, Name: o.name, Auth: tpm2.PasswordAuth(nil)}
}

// newObject decodes the public area that the TPM gave of a key, and checks that the
// name is the area's: later commands are authorized by name.
func newObject(handle tpm2.TPMHandle, name tpm2.TPM2BName, area tpm2.TPM2BPublic) (*object, error) {
	public, err := area.Contents()
	if err != nil {
		return nil, fmt.Errorf("the TPM's key %#x has no public area that can be read: %w", uint32(handle), err)
	}
	own, err := tpm2.ObjectName(public)
	if err != nil {
		return nil, err
	}
	if string(own.Buffer) != string(name.Buffer) {
		return nil, fmt.Errorf("the TPM names its key %#x otherwise than its public area", uint32(handle))
	}
	return &object{handle, name, public, area.Bytes()}, nil
}

// createPrimary makes a key of a template. The same template gives the same key as
// long as the hierarchy's seed lasts.
func (l *link) createPrimary(hierarchy tpm2.TPMHandle, template tpm2.TPMTPublic) (*object, error) {
	created, err := tpm2.CreatePrimary{
		PrimaryHandle: tpm2.AuthHandle{Handle: hierarchy, Auth: tpm2.PasswordAuth(l.authOf(hierarchy))},
		InPublic:      tpm2.New2B(template),
	}.Execute(l)
	if err != nil {
		return nil, fmt.Errorf("cannot make a primary key: %w", err)
	}
	l.keep(created.ObjectHandle)
	return newObject(created.ObjectHandle, created.Name, created.OutPublic)
}

// authOf returns the authorization value of a hierarchy, if it was given.
func (l *link) authOf(hierarchy tpm2.TPMHandle) []byte {
	if hierarchy == tpm2.TPMRHEndorsement {
		return l.options.EndorsementAuth
	}
	return l.options.OwnerAuth
}

// persistent returns the key under a persistent handle.
func (l *link) persistent(handle tpm2.TPMHandle) (*object, error) {
	read, err := tpm2.ReadPublic{ObjectHandle: handle}.Execute(l)
	if err != nil {
		return nil, fmt.Errorf("cannot read the key %#x: %w", uint32(handle), err)
	}
	return newObject(handle, read.Name, read.OutPublic)
}

// handles lists the handles that the TPM has from first on, to the end of its range.
func (l *link) handles(first tpm2.TPMHandle) ([]tpm2.TPMHandle, error) {
	var all []tpm2.TPMHandle
	for len(all) < maxHandles {
		got, err := tpm2.GetCapability{Capability: tpm2.TPMCapHandles, Property: uint32(first), PropertyCount: maxHandles}.Execute(l)
		if err != nil {
			return nil, fmt.Errorf("cannot list handles: %w", err)
		}
		list, err := got.CapabilityData.Data.Handles()
		if err != nil {
			return nil, err
		}
		all = append(all, list.Handle...)
		if !bool(got.MoreData) || len(list.Handle) == 0 {
			break
		}
		first = list.Handle[len(list.Handle)-1] + 1
	}
	return all, nil
}

// property returns a fixed property of the TPM (TPM 2.0 part 2, 6.13).
func (l *link) property(property tpm2.TPMPT) (uint32, error) {
	got, err := tpm2.GetCapability{Capability: tpm2.TPMCapTPMProperties, Property: uint32(property), PropertyCount: 1}.Execute(l)
	if err != nil {
		return 0, fmt.Errorf("cannot read a property: %w", err)
	}
	list, err := got.CapabilityData.Data.TPMProperties()
	if err != nil {
		return 0, err
	}
	if len(list.TPMProperty) != 1 || list.TPMProperty[0].Property != property {
		return 0, fmt.Errorf("the TPM does not have the property %#x", uint32(property))
	}
	return list.TPMProperty[0].Value, nil
}
