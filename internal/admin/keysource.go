package admin

import (
	"context"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/keyfile"
)

// A keySource says which key of the provider has an identifier. The error is
// CodeUnauthorized if there is none, CodeNotReady if the keys cannot be had.
type keySource interface {
	find(ctx context.Context, keyID string) (providerKey, error)
}

func (s keySet) find(_ context.Context, keyID string) (providerKey, error) {
	key, known := s[keyID]
	if !known {
		return providerKey{}, refused("the identity provider has no such key (kid)")
	}
	return key, nil
}

// readKeySet reads the provider's keys from a file that nobody else may write to:
// whoever can makes administrators.
func readKeySet(path string) (keySet, error) {
	data, mode, err := keyfile.Read(path)
	if err != nil {
		return nil, err
	}
	if mode.Perm()&0o022 != 0 {
		return nil, evidence.Errorf(evidence.CodeDataPermissions, path, "others may write to this file (mode %04o); run: chmod go-w %s", mode.Perm(), path)
	}
	return parseKeySet(data)
}
