package endpoint

import (
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/quotary/quotary/internal/agent"
)

// Beginning reports whether the agent is at its first attempt: it is worth waiting for,
// and a client that is told to come back does so much later.
func Beginning(view *agent.View) bool {
	return view.Status.State == agent.Starting && view.Status.Failures == 0
}

// Absence says why there is no identity (SPIFFE Workload Endpoint §6).
func Absence(view *agent.View) error {
	reason := ""
	if view.Status.Reason != nil && view.Status.Reason.Code != "" {
		reason = " (" + view.Status.Reason.Code + ")"
	}
	switch view.Status.State {
	case agent.Denied:
		return status.Error(codes.PermissionDenied, "this machine was refused an identity"+reason)
	case agent.Revoked:
		return status.Error(codes.PermissionDenied, "this machine's identity was revoked"+reason)
	}
	return status.Error(codes.Unavailable, "there is no identity yet, or none any more"+reason)
}
