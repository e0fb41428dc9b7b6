package tdx

import "testing"

// TestConverge holds the table of Intel's verification library: platform status
// against a quoting enclave or module that is out of date.
func TestConverge(t *testing.T) {
	for platform, want := range map[string]string{
		"UpToDate":                          "OutOfDate",
		"SWHardeningNeeded":                 "OutOfDate",
		"ConfigurationNeeded":               "OutOfDateConfigurationNeeded",
		"ConfigurationAndSWHardeningNeeded": "OutOfDateConfigurationNeeded",
		"OutOfDate":                         "OutOfDate",
		"OutOfDateConfigurationNeeded":      "OutOfDateConfigurationNeeded",
		"Revoked":                           "Revoked",
	} {
		s, ok := parseStatus(platform)
		if !ok {
			t.Fatalf("%s is unknown", platform)
		}
		if got := converge(s, outOfDate); got.String() != want {
			t.Errorf("%s with an outdated part: %s, want %s", platform, got, want)
		}
		if got := converge(s, upToDate); got != s {
			t.Errorf("%s with a current part: %s", platform, got)
		}
		if got := converge(s, revoked); got != revoked {
			t.Errorf("%s with a revoked part: %s", platform, got)
		}
	}
	if got := converge(notSupported, upToDate); got != notSupported {
		t.Errorf("NotSupported converges to %s", got)
	}
	if got := converge(notSupported, revoked); got != revoked {
		t.Errorf("NotSupported and Revoked converge to %s", got)
	}
}

// converged are all statuses that an evaluation with one module gives.
var converged = []status{
	upToDate, hardening, configuration, configuration | hardening, outOfDate, outOfDate | configuration, revoked, notSupported,
}

// TestConvergeProperties: the order of parts does not matter, and every result
// has a name and is one of those.
func TestConvergeProperties(t *testing.T) {
	named := map[status]bool{}
	for _, s := range converged {
		named[s] = statusNames[s] != ""
	}
	for _, a := range converged {
		for _, b := range converged {
			for _, c := range converged {
				abc := converge(a, b, c)
				if abc != converge(c, converge(b, a)) || !named[abc] {
					t.Errorf("%s, %s, %s: %s", a, b, c, abc)
				}
			}
		}
	}
}

// TestAfterUpdate holds all pairs of statuses, by the module of the launch (rows)
// and by the one of now (columns), to a table. Intel's verification library gives
// the launch's status in all cells but those of a relaunch and NotSupported: where
// what runs now is worse than what was launched, the table is stricter.
func TestAfterUpdate(t *testing.T) {
	now := []string{"UpToDate", "SWHardeningNeeded", "ConfigurationNeeded", "ConfigurationAndSWHardeningNeeded", "OutOfDate", "OutOfDateConfigurationNeeded", "Revoked", "NotSupported"}
	const (
		good, hard, conf, both = "UpToDate", "SWHardeningNeeded", "ConfigurationNeeded", "ConfigurationAndSWHardeningNeeded"
		old, oldConf           = "OutOfDate", "OutOfDateConfigurationNeeded"
		again, againConf       = "TDRelaunchAdvised", "TDRelaunchAdvisedConfigurationNeeded"
		bad, none              = "Revoked", "NotSupported"
	)
	for launch, row := range map[string][8]string{
		//       good, hard, conf, both, old, oldConf, bad, none
		good:    {good, hard, conf, both, old, oldConf, bad, none},
		hard:    {hard, hard, both, both, old, oldConf, bad, none},
		conf:    {conf, both, conf, both, oldConf, oldConf, bad, none},
		both:    {both, both, both, both, oldConf, oldConf, bad, none},
		old:     {again, again, againConf, againConf, old, oldConf, bad, none},
		oldConf: {againConf, againConf, againConf, againConf, oldConf, oldConf, bad, none},
		bad:     {bad, bad, bad, bad, bad, bad, bad, bad},
		none:    {none, none, none, none, none, none, bad, none},
	} {
		for i, want := range row {
			if got := afterUpdate(statusNamed(t, launch), statusNamed(t, now[i]), true); got.String() != want {
				t.Errorf("launched %s, now %s: %s, want %s", launch, now[i], got, want)
			}
			otherwise := converge(statusNamed(t, launch), statusNamed(t, now[i]))
			if got := afterUpdate(statusNamed(t, launch), statusNamed(t, now[i]), false); got != otherwise {
				t.Errorf("launched %s, now %s, by another update: %s, want %s", launch, now[i], got, otherwise)
			}
		}
	}
}

func statusNamed(t *testing.T, name string) status {
	t.Helper()
	for s, n := range statusNames {
		if n == name {
			return s
		}
	}
	t.Fatalf("no status %s", name)
	return 0
}

// TestParseStatus: a level may have each of Intel's statuses for levels, and none
// that only an evaluation gives.
func TestParseStatus(t *testing.T) {
	for s, name := range statusNames {
		got, ok := parseStatus(name)
		isLevels := s != notSupported && s&relaunch == 0
		if ok != isLevels || (ok && got != s) {
			t.Errorf("%s: %s, %v", name, got, ok)
		}
	}
	for _, name := range []string{"", "uptodate", "UpToDate ", "TDRelaunchAdvised"} {
		if got, ok := parseStatus(name); ok || got != notSupported {
			t.Errorf("%q: %s, %v", name, got, ok)
		}
	}
}
