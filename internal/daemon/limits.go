package daemon

import "time"

const (
	// maxConfig bounds the configuration file; a full one takes 1 KiB.
	maxConfig = 64 << 10
	// maxKeyFile bounds a file with a TPM's attestation key: a TPM2B_PUBLIC of
	// RSA-4096 takes 600 bytes, PEM 800.
	maxKeyFile = 16 << 10
	// maxEKList bounds a list of endorsement keys: some 80,000 keys with names.
	maxEKList = 8 << 20
	// maxCertificateHours bounds the life of an attestation key's certificate, as
	// package ca does: after a week at most, a TPM shows again that it has the key.
	maxCertificateHours = 7 * 24
	// maxAuthorityDays and maxSVIDHours bound the configured lives of issuing CAs and
	// certificates, as package ca does.
	maxAuthorityDays = 5 * 365
	maxSVIDHours     = 24
	// authorityInterval is how often the service looks for changes of its authorities:
	// so long an operator's command may take to have effect.
	authorityInterval = 5 * time.Second
	// rootListNotice is how long before its end the log says that a root's revocation list has to be
	// signed anew where the root's key is: fetching that from a safe takes days.
	rootListNotice = 14 * 24 * time.Hour
	// maxBundle bounds the first bundle of another trust domain, as package federation does.
	maxBundle = 1 << 20
	// maxConcurrency bounds the configured number of appraisals at once: the
	// largest machines have a few hundred CPUs.
	maxConcurrency = 1024
	// maxGraceDays bounds the configured grace for expired documents.
	maxGraceDays = 366
	// maxLoggedFiles bounds how many unusable files the line of a start or reload
	// names: enough to see what went wrong.
	maxLoggedFiles = 10
	// prewarmSpan is how long ago a machine may have been seen whose endorsements
	// are fetched before it comes again: identities live a day at most.
	prewarmSpan = 48 * time.Hour
	// drainTimeout is how long a stopping service waits for requests that it is
	// handling. They take milliseconds; a client that reads slowly is cut off.
	drainTimeout = 15 * time.Second
)
