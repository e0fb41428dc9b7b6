package tdx

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/quotary/quotary/evidence"
)

// signatureText is what a check of a signature reports.
const signatureText = "ECDSA P-256 with SHA-256"

// judgeError records err's outcome under its own code, or pass under code.
func judgeError(checks *evidence.Checks, err error, code evidence.Code, want, got string) bool {
	if err != nil {
		return checks.Judge(false, code, want, detail(err))
	}
	return checks.Judge(true, code, want, got)
}

// notPerformed records several checks that could not be made for one reason.
func notPerformed(checks *evidence.Checks, why string, codes ...evidence.Code) {
	for _, code := range codes {
		checks.NotPerformed(code, "", why)
	}
}

func orElse(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}

// detail is an error's text for a check: without the code, which the check has.
func detail(err error) string {
	var e *evidence.Error
	if errors.As(err, &e) {
		return e.Detail
	}
	return err.Error()
}

func zeroText(zero bool) string {
	if zero {
		return "zero"
	}
	return "not zero"
}

func numberText(n uint32) string { return strconv.FormatUint(uint64(n), 10) }

func countText(some, all int) string { return fmt.Sprintf("%d of %d", some, all) }

func platformText(fmspc, pceID []byte) string {
	return "FMSPC " + hexText(fmspc) + ", PCEID " + hexText(pceID)
}

func enclaveText(signer []byte, product uint16, attributes, misc []byte) string {
	return "MRSIGNER " + hexText(signer) + ", product " + strconv.Itoa(int(product)) +
		", attributes " + hexText(attributes) + ", MISCSELECT " + hexText(misc)
}

// hexText renders bytes for a check's want and got.
func hexText(b []byte) string { return hex.EncodeToString(b) }

// stamp renders a time.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// passedOver notes that a candidate was not genuine; it never displaces one that is.
func passedOver(reason string) string {
	if reason == "" {
		return ""
	}
	return "; another was passed over: " + reason
}

// brief keeps foreign text in messages short and printable.
func brief(s string) string {
	const most = 64
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strings.ToValidUTF8(s, "?")
}
