package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/sevsnp"
)

// writeText writes every field of every item, one a line.
func (in inspection) writeText(out *bytes.Buffer) error {
	fmt.Fprintln(out, "UNVERIFIED: this is what the evidence says of itself; anyone can write such a thing")
	if in.Error != nil {
		fmt.Fprintf(out, "\n%s: %s\n", in.Error.Code, printable(in.Error.Detail))
	}
	for _, item := range in.Items {
		fmt.Fprintf(out, "\n%s, %d bytes\n", item.Kind, item.Size)
		if item.Error != nil {
			fmt.Fprintf(out, "  cannot be decoded: %s: %s\n", item.Error.Code, printable(item.Error.Detail))
			continue
		}
		if err := item.outline(out); err != nil {
			return err
		}
	}
	return nil
}

// outline writes what the technology says, and not what only a verification
// could: whether the evidence is simulated, and under which root.
func (item inspectionItem) outline(out io.Writer) error {
	c := item.Claims
	for name, claims := range map[string]any{"sev_snp": item.snp(), "tdx": c.TDX, "tpm": c.TPM} {
		encoded, err := json.Marshal(claims)
		if err != nil {
			return err
		}
		if string(encoded) == "null" { // exactly one of them is set
			continue
		}
		if err := outline(out, name, encoded); err != nil {
			return err
		}
	}
	return nil
}

// snpFields are the fields of a report, and in place of claims that only a
// verification makes, nothing.
type snpFields struct {
	*evidence.SNPClaims
	RevocationChecked *bool  `json:"revocation_checked,omitempty"` // never set
	ChipID            string `json:"chip_id"`
	*sevsnp.Unclaimed
}

func (item inspectionItem) snp() *snpFields {
	c := item.Claims.SEVSNP
	if c == nil {
		return nil
	}
	fields := &snpFields{SNPClaims: c, ChipID: c.ChipID.String(), Unclaimed: item.Report}
	if item.Report != nil && item.Report.ChipIDMasked {
		fields.ChipID = "masked by the host (all bytes are zero)"
	}
	return fields
}

// outline writes a JSON value, which stands at path, as a table of paths and
// values, in its order.
func outline(out io.Writer, path string, encoded []byte) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	decoder := json.NewDecoder(bytes.NewReader(encoded))
	decoder.UseNumber()
	if err := outlineValue(table, decoder, path); err != nil {
		return err
	}
	return table.Flush()
}

// outlineValue writes the next value of decoder, which stands at path.
func outlineValue(table io.Writer, decoder *json.Decoder, path string) error {
	token, err := decoder.Token()
	if err != nil {
		return err
	}
	delim, nested := token.(json.Delim)
	if !nested {
		fmt.Fprintf(table, "  %s\t%s\n", path, printable(fmt.Sprint(token)))
		return nil
	}
	for n := 0; decoder.More(); n++ {
		name := strconv.Itoa(n)
		if delim == '{' {
			key, err := decoder.Token()
			if err != nil {
				return err
			}
			name = fmt.Sprint(key)
		}
		if err := outlineValue(table, decoder, path+"."+name); err != nil {
			return err
		}
	}
	_, err = decoder.Token()
	return err
}
