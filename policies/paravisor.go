package policies

import (
	"bytes"

	"go.yaml.in/yaml/v3"

	"github.com/quotary/quotary/evidence"
)

// paravisorRequirement is what a paravisor must say. It stands between the host and
// the guest and has measured the guest's TPM, so that a guest behind it is judged by
// its TPM. Nil values ask nothing.
type paravisorRequirement struct {
	any      bool
	settings []paravisorSetting
	vms      *textAccess
}

// paravisorSetting is what one of a paravisor's settings must be.
type paravisorSetting struct {
	code evidence.Code
	name string
	on   bool
	read func(*evidence.ParavisorClaims) *bool
}

// paravisorSettings are those that a document may ask for, under the claims' names.
var paravisorSettings = []paravisorSetting{
	{code: evidence.CodePolicyParavisorSecureBoot, name: "secure_boot", read: func(c *evidence.ParavisorClaims) *bool { return c.SecureBoot }},
	{code: evidence.CodePolicyParavisorTPMEnabled, name: "tpm_enabled", read: func(c *evidence.ParavisorClaims) *bool { return c.TPMEnabled }},
	{code: evidence.CodePolicyParavisorTPMPersisted, name: "tpm_persisted", read: func(c *evidence.ParavisorClaims) *bool { return c.TPMPersisted }},
	{code: evidence.CodePolicyParavisorConsole, name: "console", read: func(c *evidence.ParavisorClaims) *bool { return c.Console }},
}

// readParavisor reads paravisor; a nil node gives nil. It is the last of the
// alternative's requirements.
func (l *loader) readParavisor(s source, n *yaml.Node, a *alternative) *paravisorRequirement {
	if n == nil {
		return nil
	}
	if a.snp == nil && a.tdx == nil || a.tpm == nil {
		s.problem(n, evidence.CodePolicyUnsafe, "paravisor: a report through a paravisor says nothing of the guest behind it; say beside sev_snp or tdx what tpm must show")
	}
	if isAny(n) {
		a.relax("paravisor.any")
		return &paravisorRequirement{any: true}
	}
	f := s.mapping(n, "paravisor")
	if f == nil {
		return nil
	}
	q := &paravisorRequirement{}
	for _, setting := range paravisorSettings {
		switch s.word(f.take(setting.name), "paravisor."+setting.name, []string{bitRequired, bitForbidden, bitAny}) {
		case bitRequired:
			setting.on = true
			q.settings = append(q.settings, setting)
		case bitForbidden:
			q.settings = append(q.settings, setting)
		}
	}
	allow, deny := s.readTextAccess(f.take("vm_ids"), "paravisor.vm_ids", s.texts)
	q.vms = newTextAccess(allow, deny)
	if len(f.values) == 0 {
		s.problem(n, evidence.CodePolicyMissingKey, "paravisor is empty; say what it must show, or write any")
	}
	f.done()
	return q
}

// judgeParavisor judges whether a paravisor is there exactly if the alternative
// mentions one, and what it says.
func (a *alternative) judgeParavisor(r *report, b *bundle) {
	c, q := b.paravisor, a.paravisor
	switch {
	case q == nil && c != nil:
		r.judge(false, b.paravisorBeside, evidence.CodePolicyParavisor, "no paravisor between the host and the guest", func() string {
			return "present, but the workload does not mention it"
		})
		return
	case q == nil:
		return
	}
	kind := b.paravisorBeside
	if c == nil {
		kind = a.machine()
	}
	r.judge(c != nil || q.any, kind, evidence.CodePolicyParavisor, "a paravisor", func() string {
		return yesNo(c != nil, "present", "none")
	})
	if c != nil {
		q.judge(r, c, b)
	}
}

// machine is the kind of evidence that a paravisor would stand beside.
func (a *alternative) machine() evidence.Kind {
	if a.snp != nil {
		return snp
	}
	return tdx
}

func (q *paravisorRequirement) judge(r *report, c *evidence.ParavisorClaims, b *bundle) {
	kind := b.paravisorBeside
	ok := b.tpm != nil && len(c.AKSHA256) == keyDigestSize && bytes.Equal(c.AKSHA256, b.tpm.AKSHA256) &&
		b.tpm.AKSource == evidence.AKSourceTEE && b.tpm.AKVouchedBy == kind
	r.judge(ok, kind, evidence.CodePolicyParavisorKey, "the key of the TPM beside it, trusted for that", func() string {
		return shown(c.AKSHA256)
	})
	for _, setting := range q.settings {
		value := setting.read(c)
		r.judge(value != nil && *value == setting.on, kind, setting.code, setting.name+" "+yesNo(setting.on, "on", "off"), func() string {
			if value == nil {
				return absent
			}
			return yesNo(*value, "on", "off")
		})
	}
	r.textAccess(kind, evidence.CodePolicyParavisorVM, q.vms, c.VMID)
}
