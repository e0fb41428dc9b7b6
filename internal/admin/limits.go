package admin

import "time"

const (
	// DefaultLife is the life of an administrator's certificate, unless another is
	// asked for: renewing by hand once a month is bearable.
	DefaultLife = 30 * 24 * time.Hour
	// MaxLife bounds it: after a quarter at most, somebody looks at who is still one.
	MaxLife = 90 * 24 * time.Hour
	// minLife is the least that a certificate is worth issuing for.
	minLife = time.Minute
	// backdate is how far NotBefore lies in the past, for machines whose clocks are behind.
	backdate = time.Minute
	// authorityLife is the life of the administrators' CA. Only this service trusts
	// it, and its end takes every administrator's certificate with it.
	authorityLife = 10 * 365 * 24 * time.Hour
	// minAuthorityLife is the rest of life below which the CA is refused at start: a
	// week leaves time to act.
	minAuthorityLife = 7 * 24 * time.Hour
	// serialDigits is the length of a serial number in hex: 20 octets (RFC 5280 §4.1.2.2).
	serialDigits = 40
	// maxName bounds an administrator's name in a certificate, as a label of a host name.
	maxName = 63
	// maxListed bounds the certificates that are listed: a hundred administrators
	// who renew monthly take eight years to get there.
	maxListed = 10_000

	// maxApprovals bounds how many owners a change can be made to need: no team has
	// more at hand.
	maxApprovals = 16
	// maxBearer bounds a bearer credential. Identity providers' tokens take 1 to 4
	// KiB; those with hundreds of groups leave them out instead.
	maxBearer = 16 << 10
	// maxTokenDepth, maxTokenMembers and maxTokenText bound a token's claims:
	// providers nest four deep, and lists of groups have at most 200 entries.
	maxTokenDepth   = 8
	maxTokenMembers = 512
	maxTokenText    = 4 << 10
	// maxSubject bounds sub: 255 ASCII characters (OpenID Connect Core 1.0 §2).
	maxSubject = 255
	// maxTokenLife bounds exp - iat: a token that is found lying about is of no use
	// a day later, whatever its issuer thinks.
	maxTokenLife = 24 * time.Hour
	// clockSkew is how far the provider's clock may be ahead of ours when a token's
	// beginning is judged. Its end is judged exactly.
	clockSkew = time.Minute
	// maxIssuer, maxAudience and maxClaimName bound what is configured of tokens.
	maxIssuer, maxAudience, maxClaimName = 255, 255, 128
	// maxMapped bounds the claim values that give one role.
	maxMapped = 64

	// maxKeySet bounds a provider's key set: a key with its certificate takes 4 KiB.
	maxKeySet = 128 << 10
	// maxKeys bounds its keys: providers have two to six.
	maxKeys = 32
	// maxKeySetDepth, maxKeySetMembers and maxKeySetText bound its JSON: keys in a list
	// in an object, with lists of certificates in them.
	maxKeySetDepth   = 4
	maxKeySetMembers = 64
	maxKeySetText    = 16 << 10
	// maxKeyID bounds a key's identifier: providers use thumbprints.
	maxKeyID = 256
	// freshFor is how long fetched keys are used without a thought.
	freshFor = 10 * time.Minute
	// staleFor is how long they are used while the provider cannot be reached: a key
	// that the provider has withdrawn is believed for no longer.
	staleFor = time.Hour
	// fetchEvery bounds how often the provider is asked, whoever sends tokens with
	// whatever keys in them.
	fetchEvery = 15 * time.Second
	// fetchTimeout is how long it may take to answer.
	fetchTimeout = 5 * time.Second
	// maxAnswerHeader bounds the header of its answer.
	maxAnswerHeader = 16 << 10
)
