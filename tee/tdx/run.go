package tdx

import (
	"bytes"
	"math/big"
	"slices"
	"strconv"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// run is one verification: its inputs, and the outcome as it grows.
type run struct {
	verifier     *Verifier
	endorsements *tee.Endorsements
	now          time.Time

	outcome *tee.Outcome
	checks  *evidence.Checks

	rootCRLs     revocationLists
	certificates []window // of the certificates used
	collateral   []window // of the CRLs and documents used
	wanted       wanted
}

// checksOfQuote is how many checks a quote gets, if its event log raises no doubts.
const checksOfQuote = 36

// Verify implements [tee.Verifier].
func (v *Verifier) Verify(item evidence.Item, e *tee.Endorsements, p tee.Params) tee.Outcome {
	out := tee.Outcome{Claims: evidence.Claims{Kind: evidence.KindTDX}}
	q, err := parseItem(item)
	if err != nil {
		out.Checks.Fail(evidence.CodeOf(err), "a TDX quote of version 4 or 5", detail(err))
		return out
	}
	out.Claims.TDX = quoteClaims(q)
	out.ReportData = out.Claims.TDX.ReportData
	out.Checks = make(evidence.Checks, 0, checksOfQuote)
	r := &run{verifier: v, endorsements: e, now: p.Now, outcome: &out, checks: &out.Checks}
	r.form(q)
	key := r.signatures(q)
	if key.chain == nil {
		r.unendorsed()
		r.eventLog(logOf(item), q.body)
		return out
	}
	r.platform(key.chain)
	r.revocation(key.chain)
	r.tcb(q, key.chain)
	r.validity()
	r.eventLog(logOf(item), q.body)
	r.settle()
	return out
}

// form records what parsing established and checks the fields with fixed values.
func (r *run) form(q *quote) {
	bodyText := "TD report 1.0"
	if q.body.is15() {
		bodyText = "TD report 1.5"
	}
	r.checks.Pass(evidence.CodeTDXQuoteFormat, "complete")
	r.checks.Pass(evidence.CodeTDXQuoteVersion, "version "+strconv.Itoa(int(q.version)))
	r.checks.Pass(evidence.CodeTDXTEEType, "TDX")
	r.checks.Pass(evidence.CodeTDXKeyType, "ECDSA P-256")
	r.checks.Pass(evidence.CodeTDXBodyType, bodyText)
	r.checks.Pass(evidence.CodeTDXCertificationData, "QE report over a PEM chain")
	r.checks.Pass(evidence.CodeTDXPadding, strconv.Itoa(q.padding)+" zero bytes")
	r.checks.Judge(bytes.Equal(q.vendor, intelVendor), evidence.CodeTDXQEVendor, "Intel", hexText(q.vendor))
	r.checks.Judge(q.qe.reservedZero(), evidence.CodeTDXReserved, "zero", zeroText(q.qe.reservedZero()))
}

// signatures checks who vouches for the attestation key, and its signature.
func (r *run) signatures(q *quote) attestationKey {
	key, checks := r.verifier.attestationKey(q)
	*r.checks = append(*r.checks, checks...)
	const want = "a signature by the attestation key"
	if key.public == nil {
		r.checks.Fail(evidence.CodeTDXQuoteSignature, want, "the key is no point of P-256")
	} else {
		r.checks.Judge(verifySignature(key.public, q.signed, q.signature), evidence.CodeTDXQuoteSignature, want, signatureText)
	}
	return key
}

// platform records what the verified chain says.
func (r *run) platform(c *chain) {
	r.outcome.Claims.TrustAnchor = c.anchor.trustAnchor()
	r.outcome.Claims.Simulated = c.anchor.origin == evidence.OriginSimulated
	r.outcome.Claims.Certificates = evidence.CloneCertificates(c.claims)
	c.platform.addTo(r.outcome.Claims.TDX)
	r.certificates = append(r.certificates, c.windows()...)
}

// unendorsed records that without a trusted chain there is no platform to
// endorse: nothing is looked up, and nothing is missing.
func (r *run) unendorsed() {
	notPerformed(r.checks, "the PCK chain is not trusted",
		evidence.CodeTDXRootCRL, evidence.CodeTDXPCKCRL, evidence.CodeTDXCARevocation, evidence.CodeTDXPCKRevocation,
		evidence.CodeTDXSigningChain, evidence.CodeTDXSigningRevocation,
		evidence.CodeTDXTCBInfoFormat, evidence.CodeTDXTCBInfoSignature, evidence.CodeTDXTCBInfoPlatform,
		evidence.CodeTDXQEIdentityFormat, evidence.CodeTDXQEIdentitySignature,
		evidence.CodeTDXQuotingEnclave, evidence.CodeTDXModuleSigner, evidence.CodeTDXTCBEvaluation,
		evidence.CodeTDXCertificateTime, evidence.CodeTDXCollateralExpired, evidence.CodeTDXCollateralNotYet)
}

// revocation looks the chain's certificates up in the CRLs of their issuers.
func (r *run) revocation(c *chain) {
	r.rootCRLs = r.crl(c.anchor.cert, evidence.CodeTDXRootCRL, rootCRLName())
	pckCRLs := r.crl(c.ca, evidence.CodeTDXPCKCRL, pckCRLName(c.caName()))
	r.rootCRLs.judge(r.checks, evidence.CodeTDXCARevocation, c.ca.SerialNumber)
	pckCRLs.judge(r.checks, evidence.CodeTDXPCKRevocation, c.leaf.SerialNumber)
}

// tcb finds TCB info and QE identity, holds quoting enclave and module to them,
// and evaluates the TCB.
func (r *run) tcb(q *quote, c *chain) {
	infoName, identityName := tcbInfoName(c.platform.fmspc), qeIdentityName()
	info, identity, isOurs := r.documents(c.anchor, c.platform)
	r.signing([]*document{info, identity}, infoName, identityName)
	if info == nil {
		notPerformed(r.checks, "there is no genuine TCB info", evidence.CodeTDXTCBInfoPlatform, evidence.CodeTDXModuleSigner)
	} else {
		r.checks.Judge(isOurs, evidence.CodeTDXTCBInfoPlatform,
			platformText(c.platform.fmspc, c.platform.pceID), platformText(info.info.fmspc, info.info.pceID))
		if !isOurs {
			r.wanted.mend(evidence.CodeTDXTCBInfoPlatform, infoName)
		}
		if !r.module(info.info, q.body) && !r.inForce(info) {
			r.wanted.mend(evidence.CodeTDXModuleSigner, infoName)
		}
	}
	if identity == nil {
		r.checks.NotPerformed(evidence.CodeTDXQuotingEnclave, "Intel's TD quoting enclave", "there is no genuine QE identity")
	} else if !r.quotingEnclave(identity.identity, q.qe) && !r.inForce(identity) {
		r.wanted.mend(evidence.CodeTDXQuotingEnclave, identityName)
	}
	if !isOurs || identity == nil {
		r.checks.NotPerformed(evidence.CodeTDXTCBEvaluation, "", "collateral for it is not there")
		return
	}
	found := tcb{info.info, identity.identity, c.platform, q.body.teeTCBSVN(), q.body.teeTCBSVN2(), q.qe.svn()}
	r.outcome.Claims.TDX.TCB = found.claims()
	r.checks.Pass(evidence.CodeTDXTCBEvaluation, r.outcome.Claims.TDX.TCB.Status)
}

// signing holds the documents' signing certificates to the root's CRL. Where one
// is revoked, or out of date, the document's next issue has another.
func (r *run) signing(documents []*document, names ...tee.EndorsementName) {
	var used []*big.Int
	for i, d := range documents {
		if d == nil {
			continue
		}
		w := certificateWindow("TCB signing certificate", d.signer)
		w.source = names[i]
		r.certificates = append(r.certificates, w)
		if serial := d.signer.SerialNumber; !slices.ContainsFunc(used, func(other *big.Int) bool { return serial.Cmp(other) == 0 }) {
			used = append(used, serial)
		}
	}
	if r.rootCRLs.judge(r.checks, evidence.CodeTDXSigningRevocation, used...) {
		return
	}
	for i, d := range documents {
		if d != nil && r.rootCRLs.revoked(d.signer.SerialNumber) {
			r.wanted.mend(evidence.CodeTDXSigningRevocation, names[i])
		}
	}
}

// module holds the TDX module to the identity of its version, and where it was
// updated to that of both: the report does not say whose signer it gives.
func (r *run) module(info *tcbInfo, b body) bool {
	m := module{b.mrSignerSEAM(), b.seamAttributes()}
	return m.judge(r.checks, info, b.teeTCBSVN(), b.teeTCBSVN2())
}

// quotingEnclave holds the quoting enclave to its identity.
func (r *run) quotingEnclave(want *qeIdentity, qe qeReport) bool {
	ok := bytes.Equal(qe.mrSigner(), want.mrSigner) && qe.prodID() == want.prodID &&
		masked(qe.attributes(), want.attributesMask, want.attributes) &&
		masked(qe.miscSelect(), want.miscMask, want.miscSelect)
	return r.checks.Judge(ok, evidence.CodeTDXQuotingEnclave,
		enclaveText(want.mrSigner, want.prodID, want.attributes, want.miscSelect),
		enclaveText(qe.mrSigner(), qe.prodID(), qe.attributes(), qe.miscSelect()))
}

// validity holds everything used to the time of verification.
func (r *run) validity() {
	var invalid, expired, early string
	curable := true
	for _, w := range r.certificates {
		r.outcome.ValidUntil = earlier(r.outcome.ValidUntil, w.to)
		if !w.contains(r.now) {
			invalid = w.state(r.now)
			curable = curable && w.renewable()
		}
	}
	if curable {
		r.renew(evidence.CodeTDXCertificateTime, r.certificates)
	}
	r.renew(evidence.CodeTDXCollateralExpired, r.collateral)
	r.renew(evidence.CodeTDXCollateralNotYet, r.collateral)
	for _, w := range r.collateral {
		r.outcome.ValidUntil = earlier(r.outcome.ValidUntil, w.to)
		switch {
		case r.now.After(w.to):
			expired = w.state(r.now)
		case r.now.Before(w.from):
			early = w.state(r.now)
		}
	}
	want := "valid at " + stamp(r.now)
	r.checks.Judge(invalid == "", evidence.CodeTDXCertificateTime, want, orElse(invalid, "all valid"))
	if len(r.collateral) == 0 {
		notPerformed(r.checks, "there is no collateral", evidence.CodeTDXCollateralExpired, evidence.CodeTDXCollateralNotYet)
		return
	}
	r.checks.Judge(expired == "", evidence.CodeTDXCollateralExpired, want, orElse(expired, "none expired"))
	r.checks.Judge(early == "", evidence.CodeTDXCollateralNotYet, want, orElse(early, "all issued before"))
}

// renew wants another issue of what is not valid now.
func (r *run) renew(code evidence.Code, windows []window) {
	for _, w := range windows {
		if !w.contains(r.now) && w.renewable() {
			r.wanted.mend(code, w.source)
		}
	}
}
