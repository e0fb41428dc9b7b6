package store

import "time"

// Bounds on what the store keeps.
const (
	// defaultMaxEntries fits an export of the whole store into the bounds of
	// endorsements.Load: 32,768 certificates of about 1.4 KB. In memory each takes
	// about 9 KB with its indices.
	defaultMaxEntries = 32768
	// defaultMaxBytes bounds the documents themselves; as many key certificates as
	// above take 46 MB, all collateral of Intel's for all platforms about 3 MB.
	defaultMaxBytes = 64 << 20
	// maxSuperseded bounds the older lists of one name that are kept for what they
	// revoked: vendors seldom drop a serial, and each list may be large.
	maxSuperseded = 4
	// defaultGrace is how long a document that has expired is still handed to
	// verifiers, which say themselves that it has: Intel renews every 30 days.
	defaultGrace = 30 * 24 * time.Hour
	// tierFactor is how much larger each layer of the snapshot may be than the one
	// above: an insertion then costs some tens of additions and a lookup four steps,
	// for tens of thousands of certificates.
	tierFactor = 16
	// maxImport bounds the entries of one import; endorsements.Load bounds bytes.
	maxImport = 1 << 17
)

// Bounds on what is asked of a vendor.
const (
	// attemptTimeout bounds one request with its answer: AMD's service takes
	// about a second, seldom ten.
	attemptTimeout = 15 * time.Second
	// flightTimeout bounds a fetch as a whole: waiting for its turn, the request,
	// and the issuer that is fetched beside it.
	flightTimeout = 45 * time.Second
	// maxAnswerHeader bounds the header of an answer; an issuer chain of Intel's takes 4 KiB.
	maxAnswerHeader = 64 << 10
	// defaultRequestEvery and defaultBurst bound requests to one vendor: fast enough
	// for a rack that boots, slow enough not to be throttled in steady state.
	defaultRequestEvery = time.Second
	defaultBurst        = 16
	// defaultConcurrency bounds requests that a vendor works on at once.
	defaultConcurrency = 4
	// maxWaiting bounds fetches from one vendor, running or waiting for their turn;
	// beyond it a caller is told to come back: waiting would be longer than patience.
	maxWaiting = 64
	// busyFor is when to come back then: half of them are done.
	busyFor = maxWaiting / 2 * defaultRequestEvery
	// maxNames bounds one call of Fetch: verifying one bundle draws on some ten.
	maxNames = 64
	// maxTokenWait bounds how long a fetch waits for its turn; what would wait
	// longer is refused at once with the time to come back.
	maxTokenWait = 20 * time.Second
	// maxWanted bounds the names that the refresh loop is asked to fetch at leisure.
	maxWanted = 1 << 16
)

// Bounds on trying again. Between two tries lies a random part of an interval
// that doubles with every failure (full jitter), and no less than the minimum.
const (
	// minRetry keeps a caller from turning round on the spot.
	minRetry = time.Second
	// maxRetryAfter bounds what a vendor may ask for: an error of theirs must not
	// silence the store for days.
	maxRetryAfter = 15 * time.Minute
	// firstBackoff and maxBackoff are for a vendor that is down or overloaded.
	firstBackoff = 2 * time.Second
	maxBackoff   = 5 * time.Minute
	// breakerFailures in a row, whatever was asked for, and nobody is asked any more
	// until a probe: one failure may be that of a single request.
	breakerFailures = 3
	// notFoundFor is how long a name is not asked for again that the vendor does not
	// know: long enough to make guessing slow, short enough for a machine whose
	// certificate appears after its first boot. It doubles up to maxNotFound.
	notFoundFor = 10 * time.Minute
	maxNotFound = time.Hour
	// staleFor is how long the store does not ask again for what has expired at the
	// vendor itself (or seems to, by a wrong clock).
	staleFor = 10 * time.Minute
	// firstNameBackoff and maxNameBackoff are for one name whose answers are unusable.
	firstNameBackoff = 5 * time.Second
	maxNameBackoff   = 10 * time.Minute
	// maxStrangers bounds the names remembered as failed that nothing else refers
	// to: evidence can name any number of chips that do not exist.
	maxStrangers = 4096
)

// Bounds on refreshing.
const (
	// tick is how often the refresh loop looks at everything: intervals are
	// hours, and a clock that was set shows within a minute.
	tick = time.Minute
	// defaultRefreshEvery is how often lists and documents are looked at, far from
	// their end: AMD's lists live for a year, so that revocations would be late.
	defaultRefreshEvery = 24 * time.Hour
	// minRefresh is the shortest interval, near the end of a document's life.
	minRefresh = 30 * time.Minute
	// expiredRefresh is the interval for what stays expired although it was fetched.
	expiredRefresh = time.Hour
	// lifeShare is the part of the remaining life after which the next look is due.
	lifeShare = 4
	// certificateAhead is how long before its end a certificate is fetched anew.
	certificateAhead = 30 * 24 * time.Hour
	// issuersEvery is how often a certificate whose issuer is not known has the store
	// look whether the vendor renewed it: that happens once in years.
	issuersEvery = 10 * time.Minute
	// refreshJitter is the random part of an interval: many stores that were started
	// together drift apart.
	refreshJitter = 0.2
)

// Bounds on the directory.
const (
	// maxStateFile bounds the state file: some 300 bytes for each list and document.
	maxStateFile = 32 << 20
	// maxStateNames bounds its entries: lists, documents and what is wanted.
	maxStateNames = 1 << 17
	// maxStateText bounds a text in it, the sentence of an error.
	maxStateText = 1024
	// maxUnusable bounds the files of which it is remembered why they cannot be
	// used; the others are read again each time.
	maxUnusable = 4096
	// settled is the age from which the time of a directory's last change tells it
	// from the next one: file systems count in steps of milliseconds, up to two seconds.
	settled = 3 * time.Second
	// lockPatience is how long a write waits for another process's.
	lockPatience = 2 * time.Second
	// lockRetry is how often it looks meanwhile.
	lockRetry = 10 * time.Millisecond
	// keysPerFile bounds the key certificates in one file of an export, below
	// endorsements.MaxEntries.
	keysPerFile = 1000
)
