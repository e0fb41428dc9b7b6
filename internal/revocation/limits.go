package revocation

import "time"

// renewAfter is how old lists get before they are signed anew, though nothing changed: they
// hold for a day, and who looks once an hour always has a fresh one. Certificates stay on
// them for two hours after their end, so that each is on one that was signed after it.
const renewAfter = time.Hour
