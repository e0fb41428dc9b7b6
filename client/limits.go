package client

import "time"

const (
	// maxResponse bounds a response's body. The largest is an attestation with all
	// checks of three kinds of evidence, a chain and two tokens: under 100 KiB.
	maxResponse = 1 << 20
	// requestTimeout bounds one exchange, a slow service's queue included.
	requestTimeout = 60 * time.Second
	// maxOvertaken bounds the attempts of an attestation whose quotes others overtake:
	// as many as would use one TPM at once on a busy machine.
	maxOvertaken = 8
	// giveWayFor is how long the first to be overtaken waits at most, halved: an
	// attestation takes some milliseconds with a software TPM.
	giveWayFor = 10 * time.Millisecond
	// maxChain bounds the certificates in a response: ours are two.
	maxChain = 4
	// maxRevocations bounds an answer with revocation lists: two of 100,000 certificates
	// take 11 MiB in base64.
	maxRevocations = 16 << 20
	// maxLists bounds the lists in it: a service has two authorities.
	maxLists = 4
	// lookPause lies between two looks for revocations, on average: a service that is full
	// answers at once, and is not to be asked again at once. It doubles with each failure, up to
	// maxLookPause: a thousand who ask a service that is away do so 33 times a second.
	lookPause    = time.Second
	maxLookPause = time.Minute
	// maxLife bounds how far in the future a certificate may end: the service's
	// authority issues for at most a day.
	maxLife = 25 * time.Hour
)
