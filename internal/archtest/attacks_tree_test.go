package archtest

import "testing"

// The programs that are deployed reach no simulator's package, and no code outside
// of the simulators and the program for them makes one.
func TestAttack_U03_SimulatorsInPrograms(t *testing.T) {
	tree := repository(t)
	for _, violation := range unsimulated(tree) {
		t.Error(violation)
	}
	if len(tree.reach("cmd/quotaryd")) < 10 || len(tree.reach("cmd/quotary")) < 10 {
		t.Error("the programs reach hardly anything, so this shows nothing")
	}
	reached := false
	for _, way := range tree.reach("cmd/quotary-sim") {
		reached = reached || within(way[len(way)-1], "simulators")
	}
	if !reached {
		t.Error("the simulators' own program reaches none, so this shows nothing")
	}
}

// Nothing of ours acts when it is loaded, or defines flags for everybody.
func TestAttack_U04_ActsWhenLoaded(t *testing.T) {
	tree := repository(t)
	for _, violation := range append(uninitialised(tree), unflagged(tree)...) {
		t.Error(violation)
	}
}

// Versions with known holes are kept out: those that go.mod may not name are fenced,
// and so are libraries that are not to be linked at all.
func TestAttack_U01_FencedLibraries(t *testing.T) {
	for _, violation := range fenced(repository(t)) {
		t.Error(violation)
	}
}

// What only the right one knows is compared in a time that tells nothing of it.
func TestAttack_D19_SecretsInConstantTime(t *testing.T) {
	tree := repository(t)
	for _, violation := range comparedEarly(tree) {
		t.Error(violation)
	}
	for _, dir := range []string{"verifier", "internal/admin"} {
		uses := 0
		for _, file := range tree.Code(dir) {
			uses += len(file.Uses("crypto/subtle"))
		}
		if uses == 0 {
			t.Errorf("%s compares no secret in constant time", dir)
		}
	}
}
