package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/daemon"
	"github.com/quotary/quotary/internal/store"
)

// audit walks the audit chain of a data directory.
func audit(args []string, stdout io.Writer) (code int, err error) {
	var data string
	var earlier []store.Head
	fs := flag.NewFlagSet("audit", flag.ContinueOnError)
	fs.StringVar(&data, "data", "", "")
	fs.Func("contains", "", func(text string) error {
		head, err := parseHead(text)
		earlier = append(earlier, head)
		return err
	})
	if err := parse(fs, args, &data); err != nil {
		return exitFailed, err
	}
	path := daemon.LedgerPath(data)
	if _, err := os.Stat(path); err != nil { // Open would make one
		return exitFailed, err
	}
	ctx := context.Background()
	ledger, err := store.Open(ctx, path)
	if err != nil {
		return exitFailed, err
	}
	defer ledger.Close()
	head, issuances, err := ledger.Verify(ctx, earlier...)
	if err != nil {
		if evidence.CodeOf(err) == evidence.CodeLedgerTampered {
			return exitTampered, err
		}
		return exitFailed, err
	}
	fmt.Fprintf(stdout, "the chain holds: %d events, %d issuances, head %d:%s\n", head.Seq, issuances, head.Seq, head.Hash)
	return exitDone, nil
}

// parseHead reads a head as audit prints it: the number of events and the hash.
func parseHead(text string) (store.Head, error) {
	events, digits, _ := strings.Cut(text, ":")
	seq, err := strconv.ParseInt(events, 10, 64)
	hash, hexErr := hex.DecodeString(digits)
	if err != nil || hexErr != nil || seq < 1 || len(hash) != sha256.Size {
		return store.Head{}, errors.New("a head is the number of events, a colon and a SHA-256 in hex")
	}
	return store.Head{Seq: seq, Hash: hash}, nil
}
