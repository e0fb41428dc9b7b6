package policies

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/quotary/quotary/evidence"
)

// Remedy is a change by which a check would no longer stand in the way: of the
// machine, or of the documents. That it would help says nothing of whether it is wise.
type Remedy struct {
	// Code and Kind are the check's.
	Code evidence.Code `json:"code"`
	Kind evidence.Kind `json:"kind,omitempty"`
	// Key is what would have to change in the document, below the alternative, such
	// as "tpm.pcrs.sha256.7". Empty where no document can help.
	Key string `json:"key,omitempty"`
	// Text is a sentence for the administrator.
	Text string `json:"text"`
	// Caution says what would be given up. It is set exactly if the document would
	// accept more than before.
	Caution string `json:"caution,omitempty"`
}

// String writes the remedy with its caution, on one line.
func (r Remedy) String() string {
	if r.Caution == "" {
		return r.Text
	}
	return r.Text + " (caution: " + r.Caution + ")"
}

// What it means to list a value.
const (
	cautionListed = "whatever shows this value is accepted from then on; find out first what it is of"
)

// remedyWithoutWorkload is for evidence that no workload was tried for.
func remedyWithoutWorkload(d Decision) Remedy {
	if _, none := d.Checks.Get(evidence.CodePolicyNoWorkload); none {
		return Remedy{Code: evidence.CodePolicyNoWorkload, Text: "write a document of kind Workload that describes the machine", Caution: cautionListed}
	}
	check := d.Checks[len(d.Checks)-1]
	return Remedy{Code: check.Code, Kind: check.Kind, Text: "no document can help: the claims are not what a verifier finds in genuine evidence"}
}

// remedyAmbiguous is for evidence that several workloads match.
func remedyAmbiguous(check evidence.Check) Remedy {
	text := check.Got + ": ask something of one of them that the other's machines do not show (measurements, host_data, an identity key), or remove one"
	if check.Status == evidence.NotPerformed {
		text = check.Got + ": provide what the checks that were not performed need"
	}
	return Remedy{Code: check.Code, Text: text}
}

// remedy says what would have to change for a check that stands in the way.
func (t *trial) remedy(check evidence.Check, b *bundle) Remedy {
	r := Remedy{Code: check.Code, Kind: check.Kind}
	tcb := t.tcbRemedy(check, b)
	switch {
	case tcb.Text != "":
		r.Key, r.Text, r.Caution = tcb.Key, tcb.Text, tcb.Caution
	case !t.general(&r, check):
		t.particular(&r, check)
	}
	return r
}

var (
	ruleName      = regexp.MustCompile(`^([a-z0-9-]+): `)
	expiredValues = regexp.MustCompile(`a value of ([a-z0-9-]+), which expired at`)
	badValues     = regexp.MustCompile(`which ([a-z0-9-]+) knows to be bad`)
	listedNames   = regexp.MustCompile(`\breference ([a-z0-9-]+)`)
)

// general fills the remedy for checks that are not of one requirement.
func (t *trial) general(r *Remedy, check evidence.Check) bool {
	label := t.alternative.label
	switch check.Code {
	case evidence.CodePolicyTrustDomain:
		r.Text = "ask for an identity in " + t.workload.trustDomain + ", or move the workload to " + check.Want + " (identity.spiffe_id)"
		r.Key = "identity.spiffe_id"
	case evidence.CodeSimulatedAllowed:
		r.Key, r.Text = "allow_simulated", "write allow_simulated: true in workload "+t.workload.name+", and accept simulated evidence in the service's configuration"
		r.Caution = "simulated evidence proves nothing; accept it in tests only"
	case evidence.CodePolicyBundle:
		t.bundleRemedy(r, check)
	case evidence.CodePolicyRule:
		if check.Status == evidence.NotPerformed {
			return false
		}
		name := ruleName.FindStringSubmatch(check.Want)
		r.Key, r.Text = "require", "make the rule hold, or change it: "+check.Want
		if name != nil {
			r.Text = "make rule " + name[1] + " of " + label + " hold, or change it:" + strings.TrimPrefix(check.Want, name[1]+":")
		}
		r.Caution = "a rule that is changed or left out is asked of no machine any more"
	case evidence.CodePolicyReferenceExpired:
		r.Text = "give the reference values a later not_after, or list the value elsewhere"
		if name := expiredValues.FindStringSubmatch(check.Got); name != nil {
			r.Text = "give reference values " + name[1] + " a later not_after, or move the machine to what newer ones list"
		}
		r.Key, r.Caution = "not_after", "find out first whether the values are still good: the end was set for a reason"
	case evidence.CodePolicyReferenceKnownBad:
		r.Text = "update the machine: no list makes a value good that is known to be bad"
		if name := badValues.FindStringSubmatch(check.Got); name != nil {
			r.Text = "update the machine: reference values " + name[1] + " know the value to be bad, and no list makes it good"
		}
	default:
		return false
	}
	return true
}

// bundleRemedy is for a kind of evidence that is missing or too many.
func (t *trial) bundleRemedy(r *Remedy, check evidence.Check) {
	key := documentKey(check.Kind)
	if check.Want == "evidence of this kind" {
		r.Text = "collect evidence of kind " + string(check.Kind) + " too: " + t.alternative.label + " asks for it"
		return
	}
	r.Key, r.Text = key, "leave out the evidence of kind "+string(check.Kind)+", or say below "+key+" of "+t.alternative.label+" what it must show, or write "+key+": any"
	r.Caution = key + ": any asks nothing of this evidence"
}

// documentKey is the key that a kind of evidence has in documents.
func documentKey(kind evidence.Kind) string { return strings.ReplaceAll(string(kind), "-", "_") }

// particular fills the remedy for a check of one requirement.
func (t *trial) particular(r *Remedy, check evidence.Check) {
	found := adviceOf[check.Code]
	label := t.alternative.label
	key := t.adviceKey(found.key, check)
	r.Key = key
	switch {
	case check.Got == notRecorded:
		r.Key, r.Text = "", "provide what the check needs: the evidence itself, for the record leaves it out"
	case check.Status == evidence.NotPerformed:
		r.Key, r.Text = "", "provide what the check needs: "+check.Got
		if found.waiting != "" {
			r.Text = found.waiting
		}
	case found.list && check.Got == absent:
		r.Key, r.Text = "", "collect evidence that has it: "+key+" of "+label+" asks for a value, and the evidence says none"
	case found.list && strings.HasPrefix(check.Want, "not "):
		r.Key, r.Text, r.Caution = key+".deny", "take "+check.Got+" off "+key+".deny of "+label, "it was put there for a reason"
	case found.list:
		r.Text, r.Caution = t.listText(found, key, check), cautionListed
	case found.word != "":
		r.Text = found.machine + ", or write allow: [" + found.word + "] below " + documentKey(check.Kind) + " of " + label
		r.Caution = found.caution
	default:
		r.Text = found.machine
		if r.Text == "" {
			r.Text = "change the machine, so that it shows " + check.Want
		}
		if found.change != "" {
			r.Text += ", or " + found.change + " of " + label
			r.Caution = found.caution
		}
		if r.Caution == "" {
			r.Key = ""
		}
	}
}

// listText says where a value would have to be listed.
func (t *trial) listText(found advice, key string, check evidence.Check) string {
	value := check.Got
	text := "add " + value + " to " + key + " of " + t.alternative.label
	if found.allow {
		text = "add " + value + " to " + key + ".allow of " + t.alternative.label
	}
	if names := listedNames.FindAllStringSubmatch(check.Want, -1); names != nil && found.reference {
		for i, name := range names {
			text += []string{", or to reference values ", ", "}[min(i, 1)] + name[1]
		}
	}
	if found.machine != "" {
		text += "; or " + found.machine
	}
	return text
}

// adviceKey spells out a key: PCR and bank, and the technology of a boot.
func (t *trial) adviceKey(key string, check evidence.Check) string {
	if rest, ok := strings.CutPrefix(key, "boot."); ok {
		return documentKey(check.Kind) + ".boot." + rest
	}
	if check.Code == evidence.CodePolicyTPMPCR && t.alternative.tpm != nil {
		if index, ok := strings.CutPrefix(check.Want, "PCR "); ok {
			index, _, _ = strings.Cut(index, ":")
			return "tpm." + pcrKeyText(t.alternative.tpm.bank, index)
		}
	}
	return key
}

func pcrKeyText(bank, index string) string {
	n, err := strconv.Atoi(index)
	if err != nil {
		return "pcrs." + bank
	}
	return pcrKey(bank, n)
}

// tcbRemedy is for a TCB that does not reach a minimum: the firmware is
// updated, or the minimum lowered to what the machine has.
func (t *trial) tcbRemedy(check evidence.Check, b *bundle) Remedy {
	q := t.alternative.snp
	if q == nil || b.snp == nil {
		return Remedy{}
	}
	c := b.snp
	key, floors, have := "", q.minimumTCB, []*evidence.SNPTCB{&c.ReportedTCB, &c.CommittedTCB}
	machine := "update the machine's firmware and commit it, to reach "
	switch check.Code {
	case evidence.CodePolicySNPTCB:
		key = "sev_snp.minimum_tcb"
	case evidence.CodePolicySNPLaunchTCB:
		key, floors, have = "sev_snp.minimum_launch_tcb", q.minimumLaunchTCB, []*evidence.SNPTCB{&c.LaunchTCB}
		machine = "launch the guest anew on firmware that reaches "
	default:
		return Remedy{}
	}
	t0 := floors.of(c.Product)
	switch {
	case t0 == nil:
		return Remedy{Key: key, Text: "give " + key + " of " + t.alternative.label + " a minimum for " + shownText(c.Product), Caution: "machines of this product line are accepted from then on"}
	case slices.ContainsFunc(have, func(tcb *evidence.SNPTCB) bool { return (tcb.FMC == nil) != (t0.FMC == nil) }):
		return Remedy{Key: key, Text: "give " + key + " of " + t.alternative.label + " a minimum of " + shownText(c.Product) + "'s own: its TCB has other components", Caution: "machines of this product line are accepted from then on"}
	}
	low := lowered(t0.SNPTCB, have)
	return Remedy{
		Key: key, Text: machine + strings.TrimPrefix(t0.want, "at least ") + "; or lower " + key + " of " + t.alternative.label + " to {" + tcbYAML(low) + "}",
		Caution: "firmware that is older may have flaws that are known; see the advisories",
	}
}

// lowered returns the highest minimum below least that all of have reach.
func lowered(least evidence.SNPTCB, have []*evidence.SNPTCB) evidence.SNPTCB {
	for _, tcb := range have {
		least.Bootloader, least.TEE = min(least.Bootloader, tcb.Bootloader), min(least.TEE, tcb.TEE)
		least.SNP, least.Microcode = min(least.SNP, tcb.SNP), min(least.Microcode, tcb.Microcode)
		if least.FMC != nil && tcb.FMC != nil {
			fmc := min(*least.FMC, *tcb.FMC)
			least.FMC = &fmc
		}
	}
	return least
}

// tcbYAML writes a TCB as documents do.
func tcbYAML(t evidence.SNPTCB) string {
	text := tcbText(t)
	for _, part := range []string{"fmc", "bootloader", "tee", "snp", "microcode"} {
		text = strings.ReplaceAll(text, part+" ", part+": ")
	}
	return text
}
