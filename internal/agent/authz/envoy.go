package authz

import (
	"context"
	"maps"
	"net/http"
	"slices"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	auth "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	envoytype "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"

	"github.com/quotary/quotary/client/authorize"
	"github.com/quotary/quotary/evidence"
)

// envoy is Envoy's external authorization (envoy.service.auth.v3).
type envoy struct {
	auth.UnimplementedAuthorizationServer
	service *Service
}

// Check decides one request. A denial is an answer, not an error.
func (e *envoy) Check(_ context.Context, question *auth.CheckRequest) (*auth.CheckResponse, error) {
	source, request := question.GetAttributes().GetSource(), question.GetAttributes().GetRequest().GetHttp()
	lack := ""
	if source.GetCertificate() == "" && source.GetPrincipal() != "" {
		lack = "Envoy names the peer but does not pass its certificate on: set include_peer_certificate: true in the filter envoy.filters.http.ext_authz"
	}
	d := e.service.decide(authorize.Request{
		Certificate: source.GetCertificate(), Method: request.GetMethod(), Host: request.GetHost(), Target: request.GetPath(),
	}, lack)
	if d.Allowed {
		return allowed(d, request), nil
	}
	return denied(d), nil
}

// allowed tells the server behind who calls, and removes what the client says of that.
func allowed(d authorize.Decision, request *auth.AttributeContext_HttpRequest) *auth.CheckResponse {
	out := &auth.OkHttpResponse{}
	known := headers(d)
	for _, name := range slices.Sorted(maps.Keys(known)) {
		out.Headers = append(out.Headers, header(name, known[name]))
	}
	remove := map[string]bool{}
	for _, name := range identityHeaders {
		remove[name] = true
	}
	for name := range request.GetHeaders() {
		remove[name] = poses(name)
	}
	for _, h := range request.GetHeaderMap().GetHeaders() {
		remove[h.GetKey()] = poses(h.GetKey())
	}
	for _, name := range slices.Sorted(maps.Keys(remove)) {
		if _, set := known[name]; remove[name] && !set { // what is set is overwritten
			out.HeadersToRemove = append(out.HeadersToRemove, name)
		}
	}
	return &auth.CheckResponse{
		Status:       &rpcstatus.Status{Code: int32(codes.OK)},
		HttpResponse: &auth.CheckResponse_OkResponse{OkResponse: out},
	}
}

// denied says the code to the client, and the reason to Envoy alone.
func denied(d authorize.Decision) *auth.CheckResponse {
	status := codes.PermissionDenied
	if statusOf(d) == http.StatusUnauthorized {
		status = codes.Unauthenticated
	}
	return &auth.CheckResponse{
		Status: &rpcstatus.Status{Code: int32(status), Message: d.Reason},
		HttpResponse: &auth.CheckResponse_DeniedResponse{DeniedResponse: &auth.DeniedHttpResponse{
			Status:  &envoytype.HttpStatus{Code: envoytype.StatusCode(statusOf(d))},
			Headers: []*core.HeaderValueOption{header(headerCode, d.Code.String())},
		}},
	}
}

func header(name, value string) *core.HeaderValueOption {
	return &core.HeaderValueOption{
		Header: &core.HeaderValue{Key: name, Value: value}, AppendAction: core.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD,
	}
}

// statusOf is the HTTP status of a denial: 401 where there is no certificate to judge.
func statusOf(d authorize.Decision) int {
	if d.Code == evidence.CodeAuthorizeCertificate {
		return http.StatusUnauthorized
	}
	return http.StatusForbidden
}
