package client

import (
	"context"
	"encoding/json"
	"net/http"
)

// Bundle returns the SPIFFE trust bundle that the service publishes now. It comes over
// an authenticated connection, and replaces earlier ones. The error is as for
// [Client.Attest].
func (c *Client) Bundle(ctx context.Context) (json.RawMessage, error) {
	var bundle json.RawMessage
	if err := c.service.Call(ctx, http.MethodGet, "/v1/bundle", nil, &bundle); err != nil {
		return nil, err
	}
	return bundle, nil
}
