package policies_test

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/policies"
)

// rank orders verdicts: less evidence must never lead to a higher one.
func rank(v policies.Verdict) int {
	return slices.Index([]policies.Verdict{policies.Rejected, policies.Undecided, policies.Accepted}, v)
}

// documents are sets of one workload each, with every kind of requirement in
// one of them, and rules without has() and kinds, which may ask for absence.
func documents(t testing.TB) []*policies.Set {
	id, author := hexOf(4, 48), hexOf(5, 48)
	return []*policies.Set{
		load(t, snpWith()),
		load(t, snpWith("advisories: deny", "revocation: {stale_ok: 24h}", "csp_ids: {deny: [evil]}", "products: {deny: [Turin]}")),
		load(t, snpWith("allow: [debug, provisional-firmware]", "guest_policy: {cxl: any}", "platform: {tio: any}",
			`migration_agents: ["`+hexOf(6, 32)+`"]`, "revocation: off", "products: [Milan, Genoa]")),
		load(t, snpWith(
			`host_data: ["`+hexOf(3, 32)+`"]`, `id_key_digests: ["`+id+`"]`, `author_key_digests: ["`+author+`"]`, `family_id: ["`+hexOf(1, 16)+`"]`,
			`image_id: ["`+hexOf(2, 16)+`"]`, "minimum_guest_svn: 7", `chip_ids: {allow: ["`+hexOf(7, 64)+`"], deny: ["`+hexOf(8, 64)+`"]}`,
			"minimum_launch_tcb: {bootloader: 4, tee: 0, snp: 24, microcode: 219}", "signing_keys: [vcek]", "platform: {ecc: required, tsme: forbidden}", "advisories: {deny_except: [AMD-SB-3016, AMD-SB-3020, AMD-SB-3023]}",
			`minimum_mitigation: {launch: "0000000000000001", current: "0000000000000001"}`)),
		load(t, withRules(snpWith(), `sev_snp.chip_id != "00" && !(sev_snp.host_data == "00")`, `sev_snp.reported_tcb.snp >= 24 || sev_snp.guest_svn > 6`)),
		load(t, tdxWith()),
		load(t, tdxWith("allow: [debug, migratable, no-sept-ve-disable, perfmon, unknown-attributes]", "minimum_evaluation_data_number: 17",
			"tcb_statuses: [UpToDate, OutOfDate]", "advisories: [INTEL-SA-00001]", `ppids: {deny: ["`+hexOf(1, 16)+`"]}`, "fmspcs: {allow: [00806f050000]}")),
		load(t, withRules(tdxWith(), `tdx.tcb.status == "UpToDate" || !(tdx.ppid == "00")`, `tdx.tcb.advisories.all(a, a != tdx.fmspc)`)),
		load(t, replace(leftWith(slices.Concat(grubLists, events, []string{"secure_boot: {db: " + listOf(fingerprint(0x0b)) + ", dbx: {minimum_entries: 3}}", "maximum_boot_attempts: 1"})...), "rtmr3: any", "rtmr3: boot")),
		load(t, leftWith(slices.Concat(ukiLists, []string{"exited_boot_services: required", `sbat_levels: ["sbat,1,2024010900\nshim,4\n"]`})...)),
		load(t, withRules(tdxWith(), `tdx.boot.images.all(i, i.digest != "00") && !(tdx.boot.secure_boot.setup_mode)`, `tdx.boot.events.size() < 5 || tdx.boot.uki.phases.all(p, p != "final")`)),
		load(t, tdxWith("tcb_statuses: [UpToDate, {status: OutOfDate, until: 2027-01-31T00:00:00Z, advisories: [{id: INTEL-SA-00001, until: 2027-01-01T00:00:00Z}]}]")),
		load(t, tpmWith()),
		load(t, tpmWith("allow: [clock-unsafe]", `minimum_firmware: "0007000200000000"`, `ak: {sources: [given], sha256: ["`+hexOf(0x41, 32)+`"]}`)),
		load(t, withRules(tpmWith(), `tpm.pcrs[4] != "00" && !(tpm.ak_name == "")`)),
		load(t, tpmWith(`ak: {sources: [enrolled], eks: {allow: ["`+hexOf(0xe0, 32)+`"]}, hierarchy: endorsement}`)),
		load(t, tpmWith("revocation: {stale_ok: 24h}", "ak: {sources: [certificate]}")),
		load(t, tpmWith("key: tpm")),
		load(t, tpmBoot(slices.Concat(tpmGRUBLists[:3], []string{tpmGRUBLists[4], "secure_boot: {db: " + listOf(fingerprint(0x0b)) + ", dbx: {minimum_entries: 3}}", "mok: {list: " + listOf(fingerprint(0x91)) + "}", "maximum_boot_attempts: 1"})...)),
		load(t, tpmLeft(slices.Concat(tpmUKILists, []string{"exited_boot_services: required"})...)),
		load(t, tpmLeft(tpmLoaderLists...)),
		load(t, imaWith(imaListed)),
		load(t, imaWith("files: "+listOf(fingerprint(0xa1), fingerprint(0xa2)), "except_paths: [/var/log/]", "violations: allow")),
		load(t, snpIDKey(`measurements: {warn_only: ["`+m22+`"]}`, `host_data: {warn_only: ["`+hexOf(1, 32)+`"]}`)),
		load(t, replace(replace(tdxWith(), `rtmr2: ["`+m32+`"]`, `rtmr2: {warn_only: ["`+m11+`"]}`), "rtmr3: any", `rtmr3: {warn_only: ["`+m11+`"]}`)),
		load(t, tpmWarned(`7: {warn_only: ["`+p54+`"]}`)),
		load(t, withRules(tpmWith(), `tpm.ima.files.all(f, f.digest != "00") && tpm.boot.images.all(i, i.digest != "00")`)),
	}
}

func hexOf(b byte, size int) string { return fill(b, size).String() }

func goodClaims() []evidence.Claims {
	vlek := currentSNP()
	vlek.SEVSNP.CSPID, vlek.SEVSNP.RevocationNextUpdate = "good", now.Add(-time.Hour)
	certified, measured := goodTPM(), measuredTPM()
	certified.TPM.CertifiedKey = &evidence.TPMKeyClaims{SHA256: fill(0xc0, 32), Name: fill(0xc1, 34)}
	measured.TPM.Boot = tpmGRUB()
	return []evidence.Claims{
		goodSNP(), vlek, goodTDX(), booted(grubBoot)(), booted(ukiBoot)(), goodTPM(), sourcedTPM("enrolled"), certified,
		bootedTPM(tpmGRUB)(), bootedTPM(tpmUKI)(), bootedTPM(tpmLoader)(), measured, measuredTPM(), renewedTPM(),
	}
}

// staleTPM are the claims of a key whose chain is covered by lists that ended.
func staleTPM() evidence.Claims {
	c := sourcedTPM("certificate")
	c.TPM.RevocationChecked, c.TPM.RevocationNextUpdate = false, now.Add(-time.Hour)
	return c
}

// absentable lists the fields below v whose absence has a form: pointers,
// byte strings, texts, lists, maps.
func absentable(v reflect.Value, found *[]reflect.Value) {
	for v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct {
		return
	}
	for i := range v.NumField() {
		field := v.Field(i)
		if field.Type() == reflect.TypeFor[time.Time]() {
			if !field.IsZero() {
				*found = append(*found, field)
			}
			continue
		}
		switch field.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.String, reflect.Map:
			if !field.IsZero() {
				*found = append(*found, field)
			}
		}
		absentable(field, found)
	}
}

// numbers lists security versions: what a machine may only have more of.
func numbers(c evidence.Claims) []reflect.Value {
	var found []reflect.Value
	add := func(pointers ...any) {
		for _, p := range pointers {
			found = append(found, reflect.ValueOf(p).Elem())
		}
	}
	switch {
	case c.SEVSNP != nil:
		s := c.SEVSNP
		for _, tcb := range []*evidence.SNPTCB{&s.ReportedTCB, &s.CommittedTCB, &s.LaunchTCB} {
			add(&tcb.Bootloader, &tcb.TEE, &tcb.SNP, &tcb.Microcode)
		}
		add(&s.GuestSVN, &s.Version)
	case c.TDX != nil && c.TDX.TCB != nil:
		add(&c.TDX.TCB.EvaluationDataNumber)
	}
	return found
}

// Y01: absent is not false. Taking claims away never makes a verdict better.
func TestAttack_Y01_ClaimRemoved(t *testing.T) {
	sets := documents(t)
	for i, set := range sets {
		accepted := false
		for _, c := range append(goodClaims(), staleTPM()) {
			accepted = accepted || evaluate(set, c).Verdict == policies.Accepted
		}
		if !accepted {
			t.Fatalf("document %d accepts nothing, so it proves nothing", i)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		set := rapid.SampledFrom(sets).Draw(t, "set")
		c := rapid.SampledFrom(append(goodClaims(), staleTPM())).Draw(t, "claims")
		perturb(t, &c)
		before := evaluate(set, c)
		var fields []reflect.Value
		absentable(reflect.ValueOf(&c), &fields)
		for range rapid.IntRange(1, 3).Draw(t, "removals") {
			fields[rapid.IntRange(0, len(fields)-1).Draw(t, "field")].SetZero()
		}
		if after := evaluate(set, c); rank(after.Verdict) > rank(before.Verdict) {
			t.Fatalf("%s became %s; checks before:\n%safter:\n%s", before.Verdict, after.Verdict, list(before.Checks), list(after.Checks))
		}
	})
}

// S27, T18: lowering a security version never makes a verdict better.
func TestAttack_S27_VersionLowered(t *testing.T) {
	sets := documents(t)
	rapid.Check(t, func(t *rapid.T) {
		set := rapid.SampledFrom(sets).Draw(t, "set")
		c := rapid.SampledFrom([]evidence.Claims{goodSNP(), currentSNP(), goodTurin(), goodTDX()}).Draw(t, "claims")
		perturb(t, &c)
		fields := numbers(c)
		if len(fields) == 0 {
			return // without a TCB evaluation there is nothing to lower
		}
		field := fields[rapid.IntRange(0, len(fields)-1).Draw(t, "field")]
		before := evaluate(set, c)
		field.SetUint(rapid.Uint64Range(0, field.Uint()).Draw(t, "lower"))
		if after := evaluate(set, c); rank(after.Verdict) > rank(before.Verdict) {
			t.Fatalf("%s became %s; checks after:\n%s", before.Verdict, after.Verdict, list(after.Checks))
		}
	})
}

// perturb makes claims worse or odder in a few places, so that denials occur too.
func perturb(t *rapid.T, c *evidence.Claims) {
	for range rapid.IntRange(0, 2).Draw(t, "changes") {
		switch {
		case c.SEVSNP != nil:
			s := c.SEVSNP
			rapid.SampledFrom([]func(){
				func() { s.Policy.Debug = !s.Policy.Debug }, func() { s.Policy.MigrateMA = true }, func() { s.VMPL = 1 },
				func() { s.RevocationChecked = false }, func() { s.Measurement[0]++ }, func() { s.ReportedTCB.SNP = 30 },
				func() { s.CommittedTCB.Microcode-- }, func() { s.ChipID = fill(8, 64) }, func() { s.ProductSource = "certificate" },
				func() { s.PlatformInfo.Raw[6] = 1 }, func() { s.AuthorKeyEnabled = false },
			}).Draw(t, "change")()
		case c.TDX != nil:
			x := c.TDX
			rapid.SampledFrom([]func(){
				func() { x.Attributes.Debug = true }, func() { x.Attributes.SEPTVEDisable = false }, func() { x.TCB = nil },
				func() { x.RTMR1[3]++ }, func() { x.MRSignerSEAM[0] = 1 }, func() { x.PPID = fill(1, 16) },
				func() {
					if b := x.Boot; b != nil {
						b.Measurements[0].Digest, b.Measurements[1].Digest = digest(1), digest(2)
					}
				},
				func() {
					if b := x.Boot; b != nil {
						b.Registers[2], b.BootAttempts, b.SecureBoot.Enabled = reproduced(6, 3), ptr(uint32(2)), ptr(false)
					}
				},
				func() {
					if x.TCB != nil {
						x.TCB.Status, x.TCB.Advisories = "OutOfDate", []string{"INTEL-SA-00001"}
					}
				},
			}).Draw(t, "change")()
		case c.TPM != nil:
			m := c.TPM
			// A key that is known to be unrestricted is left out: denying it is a
			// courtesy, since leaving its public area out of the evidence hides it, and its
			// certificate's word counts then.
			rapid.SampledFrom(slices.Concat([]func(){
				func() { m.Safe = false }, func() { m.PCRs[7] = fill(1, 32) }, func() { m.Bank = "sha1" }, func() { m.AKSource = "certificate" },
				func() { m.EKSHA256 = fill(1, 32) }, func() { m.AKHierarchy = "owner" },
			}, perturbBoot(m.Boot), perturbIMA(m.IMA))).Draw(t, "change")()
		}
	}
}

func perturbBoot(b *evidence.BootClaims) []func() {
	if b == nil {
		return nil
	}
	return []func(){
		func() { b.Registers[9] = reproduced(4, 3) }, func() { b.BootAttempts = ptr(uint32(2)) }, func() { b.Images[0].Digest = fingerprint(1) },
		func() { b.Registers[12] = evidence.BootRegister{Status: "unlogged"} }, func() { b.Measurements[1].Digest = fingerprint(1) },
		func() { b.SecureBoot.Enabled = ptr(false) }, func() { b.LoadOptions, b.Initrd = fingerprint(1), fingerprint(2) },
	}
}

func perturbIMA(c *evidence.IMAClaims) []func() {
	if c == nil {
		return nil
	}
	return []func(){
		func() { c.Files[0].Digest = fingerprint(1) }, func() { c.Violations++ }, func() { c.Unread++ },
		func() { c.BootAggregate = ptr(false) }, func() { c.Files[0].Path = "/var/log/x" }, func() { c.Files[0].Algorithm = "sha1" },
	}
}

// The same claims give the same decision, check by check.
func TestDecisionIsDeterministic(t *testing.T) {
	sets := documents(t)
	rapid.Check(t, func(t *rapid.T) {
		set := rapid.SampledFrom(sets).Draw(t, "set")
		c := rapid.SampledFrom(goodClaims()).Draw(t, "claims")
		perturb(t, &c)
		first, second := evaluate(set, c), evaluate(set, c)
		if !reflect.DeepEqual(first, second) {
			t.Fatalf("decisions differ:\n%+v\n%+v", first, second)
		}
	})
}

// The per-component comparison, against its definition.
func TestMinimumTCBIsComponentwise(t *testing.T) {
	set := load(t, snpWith("allow: [provisional-firmware]", "minimum_launch_tcb: any"))
	part := rapid.Custom(func(t *rapid.T) evidence.SNPTCB {
		near := func(n uint8) uint8 { return uint8(rapid.IntRange(int(n)-2, int(n)+2).Draw(t, "part")) }
		return evidence.SNPTCB{Bootloader: near(4), TEE: uint8(rapid.IntRange(0, 3).Draw(t, "tee")), SNP: near(24), Microcode: near(219)}
	})
	reaches := func(t evidence.SNPTCB) bool { return t.Bootloader >= 4 && t.SNP >= 24 && t.Microcode >= 219 }
	rapid.Check(t, func(t *rapid.T) {
		c := goodSNP()
		c.SEVSNP.ReportedTCB, c.SEVSNP.CommittedTCB = part.Draw(t, "reported"), part.Draw(t, "committed")
		want := reaches(c.SEVSNP.ReportedTCB) && reaches(c.SEVSNP.CommittedTCB)
		if got := evaluate(set, c).Verdict == policies.Accepted; got != want {
			t.Fatalf("accepted %t, want %t: %+v, %+v", got, want, c.SEVSNP.ReportedTCB, c.SEVSNP.CommittedTCB)
		}
	})
}

// The same for Turin's layout, and for launch TCBs: accepted exactly if every
// component of every TCB reaches its own level.
func TestMinimumTCBOfEachLayout(t *testing.T) {
	set := load(t, replace(snpWith("allow: [provisional-firmware]"), "{bootloader: 4, tee: 0, snp: 24, microcode: 219}",
		"{Milan: {bootloader: 4, tee: 1, snp: 24, microcode: 219}, Turin: {fmc: 2, bootloader: 3, tee: 2, snp: 5, microcode: 97}}"))
	least := map[string][]uint8{"Milan": {4, 1, 24, 219}, "Turin": {3, 2, 5, 97, 2}}
	rapid.Check(t, func(t *rapid.T) {
		c := rapid.SampledFrom([]evidence.Claims{goodSNP(), goodTurin()}).Draw(t, "machine")
		s := c.SEVSNP
		want := true
		for _, tcb := range []*evidence.SNPTCB{&s.ReportedTCB, &s.CommittedTCB, &s.LaunchTCB} {
			parts := []*uint8{&tcb.Bootloader, &tcb.TEE, &tcb.SNP, &tcb.Microcode}
			if s.Product == "Turin" {
				tcb.FMC = new(uint8)
				parts = append(parts, tcb.FMC)
			}
			for i, level := range least[s.Product] {
				// Mostly high enough, so that acceptance occurs too.
				*parts[i] = level + uint8(rapid.SampledFrom([]int{0, 0, 0, 1, 3, -1}).Draw(t, "above"))
				want = want && *parts[i] >= level
			}
		}
		if got := evaluate(set, c).Verdict == policies.Accepted; got != want {
			t.Fatalf("accepted %t, want %t: %+v", got, want, s)
		}
	})
}
