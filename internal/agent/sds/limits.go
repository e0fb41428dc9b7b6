package sds

// maxNames bounds the secrets that one request names: there are five names at most.
const maxNames = 16
