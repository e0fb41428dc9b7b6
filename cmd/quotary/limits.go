package main

import "time"

const (
	// prefetchTimeout bounds prefetch as a whole, unless told otherwise: AMD's
	// service answers the baseline in seconds, and has to be asked slowly for more
	// than some ten machines.
	prefetchTimeout = 5 * time.Minute
	// maxPrefetchTimeout is a night, for the machines of a whole site.
	maxPrefetchTimeout = 12 * time.Hour
	// verifyFetchTimeout bounds what verify --fetch waits for: somebody sits there,
	// and a machine needs three documents or so.
	verifyFetchTimeout = time.Minute
	// maxFetchRounds bounds how often evidence is judged anew: once with the key's
	// certificate, once with the list that only then is asked for, and one to spare.
	maxFetchRounds = 3
	// maxLogArea bounds the memory with an event log in bytes: firmware reserves 64 KiB
	// to 1 MiB.
	maxLogArea = 4 << 20
	// maxPrefetched bounds the evidence of one prefetch.
	maxPrefetched = 4096
	// enrolTimeout bounds an enrolment: a hardware TPM takes some seconds.
	enrolTimeout = 2 * time.Minute
	// maxUserConfig bounds the file with the profiles in bytes: one takes some 1 KiB.
	maxUserConfig = 1 << 20
	// maxCredential bounds a certificate, key or token in bytes: headers take no more.
	maxCredential = 16 << 10
	// tokenTimeout bounds a program that prints a token: it may ask its user.
	tokenTimeout = 2 * time.Minute
	// tokenReuse is for how long a printed token is used: those that end sooner are of no use.
	tokenReuse = 30 * time.Second
	// followEvery is how often the audit trail is asked for what is new. Each time is
	// an event itself, of 0.5 KB in the ledger.
	followEvery = 5 * time.Second
	// maxListed bounds what one command lists: more than anybody reads.
	maxListed = 1_000_000
	// maxPlanRows bounds the rows that a plan shows of a kind: the reasons above them
	// say what most have in common.
	maxPlanRows = 20
	// maxExplainedWorkloads is how many workloads are told of, unless all are asked for:
	// those further away are hardly meant.
	maxExplainedWorkloads = 3
	// maxSource bounds, in bytes, what reference values say they were made from: policies
	// take texts of so many characters.
	maxSource = 500
)
