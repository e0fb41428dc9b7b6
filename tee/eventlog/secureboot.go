package eventlog

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/quotary/quotary/evidence"
)

// secureVariable is a variable by its vendor and name.
type secureVariable struct {
	vendor guid
	name   string
}

// secureVariables must all be there.
var secureVariables = []secureVariable{
	{guidGlobal, "SecureBoot"}, {guidGlobal, "PK"}, {guidGlobal, "KEK"}, {guidSecurity, "db"}, {guidSecurity, "dbx"},
}

// secureBoot claims the state of secure boot, from the variables that firmware
// measured in one run and then separated from what came later. Nothing may be in
// that run that is not covered: it could be a second, contrary measurement.
func (e *extraction) secureBoot() {
	facts, known := e.byRegister[e.at(7)]
	if !known {
		return
	}
	end := slices.IndexFunc(facts, func(f fact) bool { return f.kind == separator })
	start := slices.IndexFunc(facts, func(f fact) bool { return f.isSecureVariable(secureVariables[0]) })
	if start < 0 || end < start {
		e.doubt(evidence.CodeEventLogSecureBoot, "a SecureBoot variable before a separator", "none")
		return
	}
	if e.log.Registers == PCRs {
		start = 0 // the register is for secure boot alone
	}
	values, problem := secureValues(facts[start:end])
	if problem != "" {
		e.doubt(evidence.CodeEventLogSecureBoot, "each variable once, and nothing else", problem)
		return
	}
	claims, problem := secureClaims(values)
	if problem != "" {
		e.doubt(evidence.CodeEventLogVariable, "well-formed variables", problem)
		return
	}
	if e.log.Registers == PCRs {
		debug := slices.ContainsFunc(facts[start:end], func(f fact) bool { return f.text == actionDebug })
		claims.FirmwareDebugger = &debug
	}
	e.claims.SecureBoot = claims
	e.authorities(facts[end+1:])
}

func (f *fact) isSecureVariable(v secureVariable) bool {
	return f.kind == variableWhole && f.Type == EFIVariableConfig && f.variable.vendor == v.vendor && f.variable.name == v.name
}

// secureValues returns the values of a run of variables, or says what is wrong with it.
func secureValues(run []fact) (map[secureVariable][]byte, string) {
	values := map[secureVariable][]byte{}
	for _, f := range run {
		if f.kind == action {
			continue
		}
		if f.kind != variableWhole || f.Type != EFIVariableConfig {
			return nil, fmt.Sprintf("%s as event %d", f.Type, f.ordinal)
		}
		key := secureVariable{f.variable.vendor, f.variable.name}
		if _, again := values[key]; again {
			return nil, fmt.Sprintf("%q twice", key.name)
		}
		values[key] = f.variable.value
	}
	for _, v := range secureVariables {
		if _, ok := values[v]; !ok {
			return nil, "no " + v.name
		}
	}
	return values, ""
}

// secureClaims reads the variables' values.
func secureClaims(values map[secureVariable][]byte) (*evidence.SecureBootClaims, string) {
	c := &evidence.SecureBootClaims{}
	for _, flag := range []struct {
		name string
		to   **bool
	}{{"SecureBoot", &c.Enabled}, {"AuditMode", &c.AuditMode}, {"DeployedMode", &c.DeployedMode}} {
		value := values[secureVariable{guidGlobal, flag.name}]
		if len(value) > 1 || len(value) == 1 && value[0] > 1 {
			return nil, flag.name + " is not 0 or 1"
		}
		if len(value) == 1 {
			on := value[0] == 1
			*flag.to = &on
		}
	}
	for i, db := range []*evidence.SignatureDatabase{&c.PK, &c.KEK, &c.DB, &c.DBX} {
		v := secureVariables[1+i]
		var ok bool
		if *db, ok = parseSignatures(values[v]); !ok {
			return nil, v.name + " is no list of signatures"
		}
	}
	c.SetupMode = c.PK.Size == 0
	return c, ""
}

// authorities claims what images were verified with. In a trust domain the register
// also holds boot options, which are passed over. What is an authority follows from
// the variable's name, not from the type of its event.
func (e *extraction) authorities(facts []fact) {
	allowed := []kind{variableWhole, action}
	if e.log.Registers == RTMRs {
		allowed = append(allowed, variableValue, separator)
	}
	if !closed(facts, allowed...) {
		e.doubt(evidence.CodeEventLogAuthorities, "variables alone behind the separator", fmt.Sprintf("other events in register %d", e.at(7)))
		return
	}
	levels, insecure := map[string]bool{}, false
	for _, f := range facts {
		v := f.variable
		if f.kind != variableWhole || v.vendor == guidGlobal && e.log.Registers == RTMRs {
			continue
		}
		e.claims.SecureBoot.Authorities = append(e.claims.SecureBoot.Authorities, authority(v))
		if v.vendor == guidShim && v.name == "SbatLevel" {
			levels[string(v.value)] = true
			e.claims.SbatLevel = string(v.value)
		}
		// Shim measures this only where it was told something, and takes back only 0.
		insecure = insecure || v.vendor == guidShim && v.name == "MokSBState" && !bytes.Equal(v.value, []byte{0})
	}
	e.claims.ShimInsecure = &insecure
	if len(levels) > 1 || !isText(e.claims.SbatLevel) {
		e.claims.SbatLevel = ""
	}
}

// authority reads a variable that images were verified by: of db, the entry with
// its owner before it.
func authority(v variable) evidence.BootAuthority {
	a := evidence.BootAuthority{Variable: v.name, Vendor: v.vendor.String()}
	entry := v.value
	if owner := len(guid{}); v.vendor == guidSecurity && len(entry) > owner {
		a.Owner, entry = guid(entry[:owner]).String(), entry[owner:]
	}
	sum := sha256.Sum256(entry)
	a.SHA256 = sum[:]
	return a
}
