package evidence

// Recorded returns a copy of the claims for a record that is kept for long: without
// the files that a kernel measured, which are many, and are not asked for again.
func (c Claims) Recorded() Claims {
	c = c.Clone()
	if c.TPM != nil && c.TPM.IMA != nil && len(c.TPM.IMA.Files) > 0 {
		c.TPM.IMA.Files, c.TPM.IMA.FilesOmitted = nil, true
	}
	return c
}
