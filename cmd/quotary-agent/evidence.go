package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/agent/daemon"
)

const evidenceHelp = `usage: quotary-agent evidence --config FILE --report-data HEX [-o json|cbor] [--out FILE]

Collect the evidence that the agent would send (a CMW collection), and end. No service is
asked, and nothing is judged: quotary verify does that. A TPM's quote goes without the
certificate of its attestation key where that is the service's to issue.

  --config FILE       the configuration, in YAML (needed)
  --report-data HEX   what the evidence is to carry: 64 bytes, fresh ones of its verifier
  -o json|cbor        encoding (default: json)
  --out FILE          write to FILE, which must not exist yet, instead of standard output

example:
  quotary-agent evidence --config agent.yaml --report-data $(openssl rand -hex 64)

Exit code: 0 done; 1 this machine gives no evidence, or anything else.
`

func collect(s streams, args []string) (int, error) {
	var c common
	fs := c.flags("evidence")
	reportData := fs.String("report-data", "", "")
	output := fs.String("o", "json", "")
	out := fs.String("out", "", "")
	if err := parse(fs, args, false); err != nil {
		return exitFailed, err
	}
	data, err := hex.DecodeString(*reportData)
	if err != nil || len(data) != len(evidence.Binding{}) {
		return exitFailed, fmt.Errorf("--report-data is %d bytes in hex digits, such as: openssl rand -hex %[1]d", len(evidence.Binding{}))
	}
	if *output != "json" && *output != "cbor" {
		return exitFailed, fmt.Errorf("-o is json or cbor, not %q", *output)
	}
	d, err := c.open(jsonLog(s.err), daemon.Options{})
	if err != nil {
		return exitFailed, err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	bundle, err := d.Collect(ctx, evidence.Binding(data))
	if err != nil {
		return exitFailed, err
	}
	encoded, err := encode(bundle, *output)
	if err != nil {
		return exitFailed, err
	}
	return exitDone, write(s, *out, encoded)
}

func encode(bundle evidence.Bundle, output string) ([]byte, error) {
	if output == "cbor" {
		return bundle.MarshalCBOR()
	}
	text, err := bundle.MarshalJSON()
	if err != nil {
		return nil, err
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, text, "", "  "); err != nil {
		return nil, err
	}
	return append(indented.Bytes(), '\n'), nil
}

// write writes to a file that must not exist, or to standard output.
func write(s streams, path string, data []byte) error {
	if path == "" {
		_, err := s.out.Write(data)
		return err
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	return errors.Join(err, file.Close())
}
