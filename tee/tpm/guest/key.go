package guest

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"math/big"
	"sync/atomic"

	"github.com/google/go-tpm/tpm2"

	"github.com/quotary/quotary/evidence"
)

// Key is a workload's signing key, ECDSA on P-256, which cannot leave its TPM. It
// implements [crypto.Signer] and is safe for concurrent use. It lasts until the TPM is
// cleared, but nothing of it is kept outside of this process.
type Key struct {
	tpm     *TPM
	parent  tpm2.TPMHandle // persistent, or zero: made anew
	public  tpm2.TPM2BPublic
	private tpm2.TPM2BPrivate // encrypted for the parent
	key     *ecdsa.PublicKey

	// saved is the key as the TPM had it loaded, encrypted for the time until its next
	// reset. Loading that takes no primary key, which is most of the time of a signature.
	saved atomic.Pointer[tpm2.TPMSContext]
}

// persistentSRK is where a storage key is kept (TCG Registry of Reserved TPM 2.0
// Handles, table 2).
const persistentSRK = tpm2.TPMHandle(0x81000001)

// NewKey makes a key under a storage key: one that is made of the TCG's template, or
// the persistent one where the owner hierarchy has an authorization value.
func (t *TPM) NewKey(ctx context.Context) (*Key, error) {
	return do(ctx, t, func(l *link) (*Key, error) {
		k := &Key{tpm: t}
		parent, err := l.parentOf(k)
		if errors.Is(err, tpm2.TPMRCAuthFail) || errors.Is(err, tpm2.TPMRCBadAuth) {
			k.parent = persistentSRK
			parent, err = l.parentOf(k)
		}
		if err != nil {
			return nil, err
		}
		created, err := tpm2.Create{ParentHandle: parent.withAuth(), InPublic: tpm2.New2B(workload())}.Execute(l)
		if err != nil {
			return nil, fmt.Errorf("cannot make a key: %w", err)
		}
		public, err := created.OutPublic.Contents()
		if err != nil {
			return nil, err
		}
		key, err := tpm2.Pub(*public)
		if err != nil {
			return nil, err
		}
		ec, ok := key.(*ecdsa.PublicKey)
		if !ok {
			return nil, fmt.Errorf("the TPM made a key of type %T", key)
		}
		k.public, k.private, k.key = created.OutPublic, created.OutPrivate, ec
		return k, nil
	})
}

// parentOf makes or finds the storage key above a key.
func (l *link) parentOf(k *Key) (*object, error) {
	if k.parent != 0 {
		return l.persistent(k.parent)
	}
	parent, err := l.createPrimary(tpm2.TPMRHOwner, storage())
	if err != nil {
		return nil, fmt.Errorf("the storage key: %w", err)
	}
	return parent, nil
}

// load loads a key, from where it was left if the TPM takes that.
func (l *link) load(k *Key) (*object, error) {
	if saved := k.saved.Load(); saved != nil {
		if loaded, err := (tpm2.ContextLoad{Context: *saved}).Execute(l); err == nil {
			l.keep(loaded.LoadedHandle)
			return newKeyObject(loaded.LoadedHandle, k)
		}
		k.saved.Store(nil) // the TPM was reset, or the end of ctx has come
	}
	loaded, err := l.loadBelowParent(k)
	if err != nil {
		return nil, err
	}
	if saved, err := (tpm2.ContextSave{SaveHandle: loaded.handle}).Execute(l); err == nil { // else the long way each time
		k.saved.Store(&saved.Context)
	}
	return loaded, nil
}

// newKeyObject is the key under this handle.
func newKeyObject(handle tpm2.TPMHandle, k *Key) (*object, error) {
	public, err := k.public.Contents()
	if err != nil {
		return nil, err
	}
	name, err := tpm2.ObjectName(public)
	if err != nil {
		return nil, err
	}
	return &object{handle, *name, public, k.public.Bytes()}, nil
}

// loadBelowParent loads a key; its parent is not needed any more then.
func (l *link) loadBelowParent(k *Key) (*object, error) {
	parent, err := l.parentOf(k)
	if err != nil {
		return nil, err
	}
	loaded, err := tpm2.Load{ParentHandle: parent.withAuth(), InPrivate: k.private, InPublic: k.public}.Execute(l)
	if errors.Is(err, tpm2.TPMRCIntegrity) {
		return nil, evidence.Errorf(evidence.CodeAttesterFailed, k.tpm.device.String(), "the key is not of this TPM, or it was cleared: %w; make a new key", err)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot load the key: %w", err)
	}
	l.keep(loaded.ObjectHandle)
	if err := l.release(parent); err != nil {
		return nil, err
	}
	return newObject(loaded.ObjectHandle, loaded.Name, k.public)
}

// Public returns the public key, an [*ecdsa.PublicKey].
func (k *Key) Public() crypto.PublicKey {
	key := *k.key
	return &key
}

// Sign signs a SHA-256 digest. The TPM uses its own randomness. The signature is that of
// [ecdsa.SignASN1].
func (k *Key) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if hash := opts.HashFunc(); hash != crypto.SHA256 || len(digest) != hash.Size() {
		return nil, fmt.Errorf("guest: the TPM's key signs digests of SHA-256, not %d bytes of %s", len(digest), hash)
	}
	ctx, cancel := context.WithTimeout(context.Background(), signTimeout)
	defer cancel()
	return do(ctx, k.tpm, func(l *link) ([]byte, error) {
		loaded, err := l.load(k)
		if err != nil {
			return nil, err
		}
		signed, err := tpm2.Sign{
			KeyHandle: loaded.withAuth(), Digest: tpm2.TPM2BDigest{Buffer: digest},
			InScheme:   tpm2.TPMTSigScheme{Scheme: tpm2.TPMAlgNull},
			Validation: tpm2.TPMTTKHashCheck{Tag: tpm2.TPMSTHashCheck, Hierarchy: tpm2.TPMRHNull},
		}.Execute(l)
		if err != nil {
			return nil, fmt.Errorf("cannot sign: %w", err)
		}
		signature, err := signed.Signature.Signature.ECDSA()
		if err != nil {
			return nil, err
		}
		return asn1.Marshal(struct{ R, S *big.Int }{
			new(big.Int).SetBytes(signature.SignatureR.Buffer), new(big.Int).SetBytes(signature.SignatureS.Buffer),
		})
	})
}

// certify has the attestation key say that a key is in its TPM (TPM2_Certify, TPM 2.0
// part 3, 18.2).
func (l *link) certify(ak *signer, k *Key, data []byte) (*evidence.TPMCertification, error) {
	loaded, err := l.load(k)
	if err != nil {
		return nil, err
	}
	certified, err := tpm2.Certify{
		ObjectHandle: loaded.withAuth(), SignHandle: ak.withAuth(), QualifyingData: tpm2.TPM2BData{Buffer: data},
		InScheme: tpm2.TPMTSigScheme{Scheme: tpm2.TPMAlgNull},
	}.Execute(l)
	if err != nil {
		return nil, fmt.Errorf("cannot certify the key: %w", err)
	}
	if _, err := attestOf(certified.CertifyInfo, tpm2.TPMSTAttestCertify, data); err != nil {
		return nil, err
	}
	return &evidence.TPMCertification{
		Attest: certified.CertifyInfo.Bytes(), Signature: tpm2.Marshal(certified.Signature), Public: append([]byte(nil), k.public.Bytes()...),
	}, nil
}
