package client

import "github.com/quotary/quotary/client/internal/exchange"

// Problem is the service's refusal: its code, field and detail (Reason), its HTTP
// status and request ID, and, of an appraisal that was not accepted, the checks and
// what was missing. evidence.CodeOf finds its code.
type Problem = exchange.Problem

// DocumentProblem is something wrong at one place of a policy document.
type DocumentProblem = exchange.DocumentProblem
