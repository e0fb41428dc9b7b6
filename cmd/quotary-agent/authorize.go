package main

import (
	"context"
	"os/signal"
	"syscall"

	"github.com/quotary/quotary/internal/agent/daemon"
)

const authorizeHelp = `usage: quotary-agent authorize --config FILE

Tell the proxies on this machine, Envoy and nginx, for each request whether it may go on,
until a signal ends it. The machine is not attested, and gets no identity: this is for
gateways. What run does it does as well, where the configuration has the section.

  --config FILE   the configuration, in YAML (needed): the sections service, authorization
                  and metrics; no other is looked at

docs/authorization.md has what is decided, and how proxies are set up. The log, one JSON
object a line, goes to standard error.

example:
  quotary-agent authorize --config /etc/quotary-agent/gateway.yaml

Exit code: 0 stopped by a signal; 1 could not start, or a part failed.
`

// authorizeProxies answers proxies until a signal ends it.
func authorizeProxies(s streams, args []string) (int, error) {
	var c common
	fs := c.flags("authorize")
	if err := parse(fs, args, false); err != nil {
		return exitFailed, err
	}
	config, err := c.read()
	if err != nil {
		return exitFailed, err
	}
	logger := jsonLog(s.err)
	g, err := daemon.OpenGateway(daemon.Options{Config: config, Logger: logger})
	if err != nil {
		return exitFailed, err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	logger.Info("the gateway starts", "version", buildVersion())
	if err := g.Run(ctx); err != nil {
		return exitFailed, err
	}
	return exitDone, nil
}
