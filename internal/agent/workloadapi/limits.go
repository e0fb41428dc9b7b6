package workloadapi

const (
	// maxAudiences and maxAudience bound the audiences of a JWT-SVID, in number and in
	// characters: what the service issues for.
	maxAudiences = 8
	maxAudience  = 255
)
