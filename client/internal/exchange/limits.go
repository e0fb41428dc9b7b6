package exchange

// maxHeader bounds a response's headers in bytes: ours take under 1 KiB.
const maxHeader = 32 << 10

// maxRetryAfter bounds how long a service may ask to wait, in seconds: a day.
const maxRetryAfter = 24 * 60 * 60
