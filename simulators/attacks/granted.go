package attacks

import (
	"encoding/base64"
	"encoding/json"
)

// faultsOfGrant are what is wrong with the answer to an attestation that was accepted,
// for who sent these members. An acceptance is worth no more than what it grants.
func (a *Attacker) faultsOfGrant(body []byte, members map[string]any) []string {
	if !hasMember(body, "svid") {
		if hasMember(body, "ear") {
			return nil
		}
		return []string{"neither certificate nor token is granted"}
	}
	var g granted
	if err := json.Unmarshal(body, &g); err != nil {
		return []string{"what is granted cannot be read: " + err.Error()}
	}
	chain, err := chainOf(g)
	if err != nil {
		return []string{err.Error()}
	}
	var faults []string
	leaf := chain[0]
	if key, sent := members["public_key"].(string); sent && key != base64.StdEncoding.EncodeToString(leaf.RawSubjectPublicKeyInfo) {
		faults = append(faults, "another key is certified")
	}
	if len(leaf.URIs) != 1 || leaf.URIs[0].Host != a.TrustDomain() {
		faults = append(faults, "the identity granted is none in "+a.TrustDomain())
	}
	return faults
}
