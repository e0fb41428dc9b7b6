package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/quotary/quotary/evidence"
)

// standardInput is the operand that means it.
const standardInput = "-"

// readEvidence reads what an operand names. An *evidence.Error means that it is
// no evidence that can be judged; any other error, that it could not be read.
func readEvidence(s streams, operand string, t tpmFlags) (evidence.Bundle, error) {
	message, isQuote, err := findQuote(operand, &t)
	if err != nil {
		return nil, err
	}
	if isQuote {
		item, err := t.read(message)
		if err != nil {
			return nil, err
		}
		return evidence.NewBundle(item)
	}
	if given := t.given(); given != "" {
		return nil, usage("--"+given+" says what belongs to a TPM quote, and "+operand+" is none", "name the quote's message (FILE.msg) as EVIDENCE, and its files with --signature and --pcrs")
	}
	data, err := readOperand(s, operand)
	if err != nil {
		return nil, withHint(fmt.Errorf("cannot read evidence: %w", err), "EVIDENCE is a file, a directory with quote.msg, or - for standard input")
	}
	return evidence.Parse(data)
}

// findQuote finds out whether the operand names a TPM quote's message, and
// completes t with the files beside it.
func findQuote(operand string, t *tpmFlags) (message string, isQuote bool, err error) {
	if operand == standardInput {
		return "", false, nil
	}
	message = operand
	if info, err := os.Stat(operand); err == nil && info.IsDir() {
		message = filepath.Join(operand, "quote.msg")
		if !isFile(message) {
			return "", false, usage(operand+" is a directory without quote.msg", "name the file that holds the evidence")
		}
	}
	if stem, ok := strings.CutSuffix(message, ".msg"); ok {
		t.complete(stem)
	}
	switch {
	case t.signature != "" && t.pcrs != "":
		return message, true, nil
	case message != operand || t.signature != "" || t.pcrs != "":
		return "", false, usage("a TPM quote needs its signature and its PCR values beside "+message,
			"put FILE.sig and FILE.pcrs beside FILE.msg, or name them with --signature and --pcrs")
	}
	return "", false, nil
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir()
}

// readOperand reads a file or standard input, at most one byte more than
// evidence may have.
func readOperand(s streams, operand string) ([]byte, error) {
	if operand == standardInput {
		return readAll(s.in, evidence.MaxEncoded)
	}
	file, err := os.Open(operand)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return readAll(file, evidence.MaxEncoded)
}

// readAll reads at most one byte more than most, so that the reader of the
// bytes can tell that they are too many.
func readAll(r io.Reader, most int) ([]byte, error) {
	return io.ReadAll(io.LimitReader(r, int64(most)+1))
}

// readFile reads a small file that a flag names.
func readFile(path string, most int) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := readAll(file, most)
	if err == nil && len(data) > most {
		err = &fs.PathError{Op: "read", Path: path, Err: errors.New("larger than any file of its purpose")}
	}
	return data, err
}
