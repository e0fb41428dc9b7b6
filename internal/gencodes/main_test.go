package main

import (
	"bytes"
	"os"
	"testing"

	"github.com/quotary/quotary/evidence"
)

func TestPageIsCurrent(t *testing.T) {
	got, err := os.ReadFile("../../docs/codes.md")
	if err != nil || !bytes.Equal(got, page(evidence.Codes())) {
		t.Fatalf("docs/codes.md does not show the codes as they are defined (%v); run: go generate ./evidence", err)
	}
}
