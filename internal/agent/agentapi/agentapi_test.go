package agentapi_test

import (
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"io"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	reflection "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/quotary/quotary/client/local"
	"github.com/quotary/quotary/internal/agent"
	"github.com/quotary/quotary/internal/agent/agentapi"
	"github.com/quotary/quotary/internal/agent/agenttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func serve(t *testing.T, source agentapi.Source) (socket string) {
	t.Helper()
	return agenttest.Serve(t, func(r grpc.ServiceRegistrar) { agentapi.Register(r, source) })
}

// A status arrives as it is.
func TestStatus(t *testing.T) {
	at := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	for name, want := range map[string]agent.Status{
		"granted": {State: agent.Healthy, Since: at, SPIFFEID: "spiffe://agent.test/web", AttestationID: "a1", Simulated: true, Expires: at, LastAttested: at, NextDue: at},
		"refused": {State: agent.Denied, Since: at, NextDue: at, Failures: 3,
			Reason: &agent.Reason{Refused: true, Code: "a.b", Detail: "so \u001b", Failed: []string{"c.d"}, RequestID: "r"}},
	} {
		got, err := agentapi.Fetch(t.Context(), serve(t, agenttest.NewSource(&agent.View{Status: want})))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(&want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if _, err := agentapi.Fetch(t.Context(), filepath.Join(t.TempDir(), "none")); status.Code(err) != codes.Unavailable {
		t.Errorf("nobody there: %v", err)
	}
}

// Health follows the identity.
func TestHealth(t *testing.T) {
	source := agenttest.NewSource(&agent.View{Status: agent.Status{State: agent.Starting}})
	api := healthpb.NewHealthClient(agenttest.Dial(t, serve(t, source)))
	stream, err := api.Watch(t.Context(), &healthpb.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	expect := func(want healthpb.HealthCheckResponse_ServingStatus) {
		t.Helper()
		if got, err := stream.Recv(); err != nil || got.GetStatus() != want {
			t.Errorf("watched %v, %v; want %v", got, err, want)
		}
		if got, err := api.Check(t.Context(), &healthpb.HealthCheckRequest{Service: "quotary.agent.v1.Agent"}); err != nil || got.GetStatus() != want {
			t.Errorf("checked %v, %v; want %v", got, err, want)
		}
	}
	expect(healthpb.HealthCheckResponse_NOT_SERVING)
	source.Set(agenttest.View(agenttest.NewAuthority(t).Issue(t, "web", time.Hour)))
	expect(healthpb.HealthCheckResponse_SERVING)
	source.Set(&agent.View{Status: agent.Status{State: agent.Denied}})
	expect(healthpb.HealthCheckResponse_NOT_SERVING)
	if _, err := api.Check(t.Context(), &healthpb.HealthCheckRequest{Service: "other"}); status.Code(err) != codes.NotFound {
		t.Errorf("another service: %v", err)
	}
}

// Who does not know what is served can ask.
func TestReflection(t *testing.T) {
	socket := serve(t, agenttest.NewSource(&agent.View{}))
	stream, err := reflection.NewServerReflectionClient(agenttest.Dial(t, socket)).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&reflection.ServerReflectionRequest{MessageRequest: &reflection.ServerReflectionRequest_ListServices{}}); err != nil {
		t.Fatal(err)
	}
	answer, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, service := range answer.GetListServicesResponse().GetService() {
		names = append(names, service.GetName())
	}
	for _, want := range []string{"quotary.agent.v1.Agent", "grpc.health.v1.Health"} {
		if !slices.Contains(names, want) {
			t.Errorf("%s is not among %v", want, names)
		}
	}
}

// slow is a key that signs when it may, and counts who waits for it.
type slow struct {
	crypto.Signer
	begun chan struct{}
	may   chan struct{}
}

func (k slow) Sign(r io.Reader, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	k.begun <- struct{}{}
	<-k.may
	return k.Signer.Sign(r, digest, o)
}

// Who asks for signatures without end keeps the key, which may be a TPM's, from nobody else for long:
// two are made at once.
func TestAttack_D06_SignaturesWithoutEnd(t *testing.T) {
	identity := agenttest.NewAuthority(t).Issue(t, "web", time.Hour)
	certificate := *identity.Certificate
	key := slow{certificate.PrivateKey.(crypto.Signer), make(chan struct{}, 16), make(chan struct{})}
	certificate.PrivateKey = key
	identity.Certificate = &certificate
	conn := agenttest.Dial(t, serve(t, agenttest.NewSource(agenttest.View(identity))))
	sum, digest := sha256.Sum256(certificate.Leaf.RawSubjectPublicKeyInfo), sha256.Sum256(nil)
	request, err := structpb.NewStruct(map[string]any{
		local.FieldKeySHA256: hex.EncodeToString(sum[:]), local.FieldDigest: base64.StdEncoding.EncodeToString(digest[:]),
	})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			if err := conn.Invoke(t.Context(), "/"+local.Service+"/"+local.MethodSign, request, &structpb.Struct{}); err != nil {
				t.Error(err)
			}
		})
	}
	<-key.begun
	<-key.begun
	if len(key.begun) != 0 {
		t.Error("more than two signatures at once")
	}
	close(key.may)
	all.Wait()
}
