package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"google.golang.org/grpc/codes"
	grpcstatus "google.golang.org/grpc/status"

	"github.com/quotary/quotary/internal/agent"
	"github.com/quotary/quotary/internal/agent/agentapi"
)

const statusHelp = `usage: quotary-agent status (--config FILE | --socket PATH) [-o text|json]

Ask a running agent how it is: its state, its identity, when it last attested and when it
does so next, and why the last attempt failed, if it did.

  --config FILE   the agent's configuration, which has the socket
  --socket PATH   the socket
  -o text|json    encoding (default: text)

example:
  quotary-agent status --socket /run/quotary-agent/api.sock

Exit code: 0 there is an identity; 2 the service refused this machine, or revoked its identity; 3 there is none yet,
or none any more; 1 the agent does not answer.
`

// statusTimeout bounds how long an agent on this machine may take to answer.
const statusTimeout = 10 * time.Second

func status(s streams, args []string) (int, error) {
	var c common
	fs := c.flags("status")
	socket := fs.String("socket", "", "")
	output := fs.String("o", "text", "")
	if err := parse(fs, args, false); err != nil {
		return exitFailed, err
	}
	if *output != "text" && *output != "json" {
		return exitFailed, fmt.Errorf("-o is text or json, not %q", *output)
	}
	if *socket == "" {
		config, err := c.read()
		if err != nil {
			return exitFailed, err
		}
		if *socket = config.WorkloadAPI.Socket; *socket == "" {
			return exitFailed, errors.New("the configuration has no workload_api.socket, so the agent cannot be asked; see its metrics or its log")
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), statusTimeout)
	defer cancel()
	got, err := agentapi.Fetch(ctx, *socket)
	if err != nil {
		return exitFailed, explainSocket(*socket, err)
	}
	return exitOfStatus(got), show(s.out, got, *output)
}

// explainSocket says what an error of the socket means.
func explainSocket(socket string, err error) error {
	switch grpcstatus.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded:
		return fmt.Errorf("no agent answers at %s; is it running? (%s)", socket, grpcstatus.Convert(err).Message())
	case codes.PermissionDenied:
		return errors.New(grpcstatus.Convert(err).Message())
	}
	return err
}

func exitOfStatus(s *agent.Status) int {
	switch {
	case s.SPIFFEID != "":
		return exitDone
	case s.State.Final():
		return exitRefused
	}
	return exitNoAnswer
}

func show(w io.Writer, s *agent.Status, output string) error {
	if output == "json" {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(s)
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(table, "%s\t%s\n", name, printable(value))
		}
	}
	at := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.Format(time.RFC3339)
	}
	row("state", string(s.State))
	row("since", at(s.Since))
	row("identity", s.SPIFFEID)
	if s.Simulated {
		row("", "SIMULATED: it rests on simulated evidence and proves nothing")
	}
	row("attestation", s.AttestationID)
	row("expires", at(s.Expires))
	row("last attested", at(s.LastAttested))
	row("attests next", at(s.NextDue))
	if s.Failures > 0 {
		row("failures", fmt.Sprint(s.Failures))
	}
	if s.Reason != nil {
		kind := "no answer"
		if s.Reason.Refused {
			kind = "refused"
		}
		if s.Reason.Refused && s.State == agent.Revoked {
			kind = "revoked"
		}
		row(kind, s.Reason.Detail)
		row("failed checks", strings.Join(s.Reason.Failed, ", "))
		row("request", s.Reason.RequestID)
	}
	return table.Flush()
}
