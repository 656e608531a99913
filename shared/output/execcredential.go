package output

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
)

// The exec plugins of client-go: kubectl, helm and other Kubernetes clients run a program
// to get a token
// (https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins).
const (
	// ExecCredential is the output format for them.
	ExecCredential = "exec-credential"
	// ExecInfoVariable is the variable with the client's ExecInfo.
	ExecInfoVariable = "KUBERNETES_EXEC_INFO"
)

const (
	execGroup = "client.authentication.k8s.io/"
	execKind  = "ExecCredential"
)

// execVersions are the supported versions of the API. Their output is the same.
var execVersions = []string{execGroup + "v1", execGroup + "v1beta1"}

// ExecInfo is what a Kubernetes client requires, in KUBERNETES_EXEC_INFO.
type ExecInfo struct {
	// APIVersion must be that of the output.
	APIVersion string
	// Interactive reports whether the user may be prompted. Clients before Kubernetes
	// 1.22 do not set it.
	Interactive bool
}

// ParseExecInfo parses the value of KUBERNETES_EXEC_INFO. If it is empty, the API version
// is v1, and the user may be prompted.
func ParseExecInfo(value string) (ExecInfo, error) {
	info := ExecInfo{APIVersion: execVersions[0], Interactive: true}
	if strings.TrimSpace(value) == "" {
		return info, nil
	}
	var doc struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		Spec       struct {
			Interactive *bool `json:"interactive"`
		} `json:"spec"`
	}
	if err := json.Unmarshal([]byte(value), &doc); err != nil {
		return ExecInfo{}, fmt.Errorf("%s is not JSON of the kind %s", ExecInfoVariable, execKind)
	}
	if doc.Kind != execKind {
		return ExecInfo{}, fmt.Errorf("%s has the kind %q, not %s", ExecInfoVariable, text.Brief(doc.Kind, 100), execKind)
	}
	if !slices.Contains(execVersions, doc.APIVersion) {
		return ExecInfo{}, fmt.Errorf("%s requests the API version %q, not %s", ExecInfoVariable, text.Brief(doc.APIVersion, 100), strings.Join(execVersions, " or "))
	}
	info.APIVersion = doc.APIVersion
	if doc.Spec.Interactive != nil {
		info.Interactive = *doc.Spec.Interactive
	}
	return info, nil
}

// credential returns the output. Without an expiry the client keeps the token until the
// server rejects it.
func (i ExecInfo) credential(t token.Token) ([]byte, error) {
	type status struct {
		ExpirationTimestamp string `json:"expirationTimestamp,omitempty"`
		Token               string `json:"token"`
	}
	doc := struct {
		Kind       string `json:"kind"`
		APIVersion string `json:"apiVersion"`
		Status     status `json:"status"`
	}{execKind, i.APIVersion, status{Token: t.Raw()}}
	if !t.Expires.IsZero() {
		doc.Status.ExpirationTimestamp = t.Expires.UTC().Format(time.RFC3339)
	}
	b, err := json.MarshalIndent(doc, "", "  ")
	return append(b, '\n'), err
}
