package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"time"

	"github.com/quotary/quotary/evidence"
)

// bareTime is how long the bare verification is measured.
const bareTime = 500 * time.Millisecond

// bareVerification is the time of one verification of the signature that
// evidence of this kind cannot be judged without.
func bareVerification(kind evidence.Kind) (time.Duration, error) {
	curve := elliptic.P256()
	if kind == evidence.KindSEVSNP {
		curve = elliptic.P384()
	}
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		return 0, err
	}
	digest := make([]byte, curve.Params().BitSize/8)
	signature, err := ecdsa.SignASN1(rand.Reader, key, digest)
	if err != nil {
		return 0, err
	}
	n, begin := 0, time.Now()
	for ; time.Since(begin) < bareTime; n++ {
		if !ecdsa.VerifyASN1(&key.PublicKey, digest, signature) {
			return 0, errors.New("a good signature does not verify")
		}
	}
	return time.Since(begin) / time.Duration(n), nil
}
