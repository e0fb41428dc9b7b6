package inforce

// Replay bounds how many attestations plans replay.
func (p *Policies) Replay(most int) { p.most = most }
