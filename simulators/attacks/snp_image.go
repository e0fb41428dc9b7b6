package attacks

import (
	"crypto/sha256"
	"crypto/sha512"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/sevsnp"
)

// snpImageRows are genuine reports of guests that run something else.
func snpImageRows() []Row {
	other := func(name string, code evidence.Code, change func(*sevsnp.Report)) Case {
		return Case{Name: name, Subject: snpHardened, Want: codes(code), Try: changed(change)}
	}
	truncated := sha512.Sum384([]byte(snpHardened + "/host data"))
	return []Row{
		{"S44", "measurement in part", []Case{
			other("another last byte", evidence.CodePolicySNPMeasurement, func(r *sevsnp.Report) { r.Measurement[47]++ }),
			other("only the first half", evidence.CodePolicySNPMeasurement, func(r *sevsnp.Report) { clear(r.Measurement[24:]) }),
			other("all zeros", evidence.CodePolicySNPMeasurement, func(r *sevsnp.Report) { r.Measurement = [48]byte{} }),
		}},
		{"S45", "host data of the host's choosing", []Case{
			other("another document's", evidence.CodePolicySNPHostData, func(r *sevsnp.Report) { r.HostData = sha256.Sum256([]byte("other")) }),
			other("all zeros", evidence.CodePolicySNPHostData, func(r *sevsnp.Report) { r.HostData = [32]byte{} }),
		}},
		{"S46", "configuration that does not fit the host data", []Case{
			other("a longer digest of it, cut off", evidence.CodePolicySNPHostData, func(r *sevsnp.Report) { r.HostData = [32]byte(truncated[:32]) }),
			other("only the first half of its digest", evidence.CodePolicySNPHostData, func(r *sevsnp.Report) { clear(r.HostData[16:]) }),
		}},
		{"S47", "ID block without its key", []Case{
			other("no key", evidence.CodePolicySNPIDKey, func(r *sevsnp.Report) { r.IDKeyDigest = [48]byte{} }),
			other("another key", evidence.CodePolicySNPIDKey, func(r *sevsnp.Report) { r.IDKeyDigest[47]++ }),
			other("another family", evidence.CodePolicySNPFamilyID, func(r *sevsnp.Report) { r.FamilyID[0]++ }),
			other("another image", evidence.CodePolicySNPImageID, func(r *sevsnp.Report) { r.ImageID[0]++ }),
		}},
		{"S48", "author key that is not in use", []Case{
			other("its digest all the same", evidence.CodePolicySNPAuthorKey, func(r *sevsnp.Report) { r.AuthorKeyEnabled = false }),
			other("another author key", evidence.CodePolicySNPAuthorKey, func(r *sevsnp.Report) { r.AuthorKeyDigest[0]++ }),
		}},
		{"S49", "older image", []Case{
			other("by one version", evidence.CodePolicySNPGuestSVN, func(r *sevsnp.Report) { r.GuestSVN-- }),
		}},
		{"S50", "image that is known to be bad", []Case{{
			Name: "listed all the same", Subject: snpPlain, Want: codes(evidence.CodePolicyReferenceKnownBad),
			Try: changed(func(r *sevsnp.Report) { copy(r.Measurement[:], digestOf(snpPlain, "known to be bad")) }),
		}}},
		{"S51", "another tenant on the same image", []Case{{
			Name: "the image of one with the host data of another", Subject: snpPlain, Want: codes(evidence.CodePolicySNPHostData),
			Try: changed(func(r *sevsnp.Report) { r.HostData = sha256.Sum256([]byte(snpDenied + "/host data")) }),
		}}},
	}
}
