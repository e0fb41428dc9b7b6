package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/daemon"
	"github.com/quotary/quotary/internal/store"
)

// audit walks the audit chain of a data directory.
func audit(args []string, stdout io.Writer) (code int, err error) {
	var data string
	fs := flag.NewFlagSet("audit", flag.ContinueOnError)
	fs.StringVar(&data, "data", "", "")
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
	head, issuances, err := ledger.Verify(ctx)
	if err != nil {
		if evidence.CodeOf(err) == evidence.CodeLedgerTampered {
			return exitTampered, err
		}
		return exitFailed, err
	}
	fmt.Fprintf(stdout, "the chain holds: %d events, %d issuances, head %s\n", head.Seq, issuances, head.Hash)
	return exitDone, nil
}
