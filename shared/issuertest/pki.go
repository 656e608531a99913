package issuertest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// pki is a CA, a server certificate for this host, and the key that signs tokens. All are
// generated at run time. A directory with them can be shared by several issuers and the
// servers that trust them.
type pki struct {
	caPEM            []byte
	hostPEM, hostKey []byte
	signing          *ecdsa.PrivateKey
	keys             *Keys // only with Options.MoreKeys
	caFile           string
}

// Keys are the keys of an issuer that keeps them in a directory: the one that signs
// tokens, and those that [Options.MoreKeys] also publishes.
type Keys struct {
	Signing *ecdsa.PrivateKey // P-256, the issuer's own
	P384    *ecdsa.PrivateKey
	RSA     *rsa.PrivateKey
}

// LoadKeys reads the keys in dir, and creates those that do not exist, and the directory.
func LoadKeys(dir string) (*Keys, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	var k Keys
	var err error
	if k.Signing, err = loadKey(filepath.Join(dir, "signing.key"), newP256); err != nil {
		return nil, err
	}
	if k.P384, err = loadKey(filepath.Join(dir, "p384.key"), func() (*ecdsa.PrivateKey, error) {
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	}); err != nil {
		return nil, err
	}
	k.RSA, err = loadKey(filepath.Join(dir, "rsa.key"), func() (*rsa.PrivateKey, error) {
		return rsa.GenerateKey(rand.Reader, 2048)
	})
	return &k, err
}

// KeyID returns the kid under which a key is published.
func KeyID(key crypto.Signer) string {
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		panic(err) // cannot fail with a generated key
	}
	sum := sha256.Sum256(der)
	return base64.RawURLEncoding.EncodeToString(sum[:8])
}

func newP256() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }

// loadPKI reads the files in dir, and creates those that do not exist.
func loadPKI(dir string) (*pki, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	caKey, err := loadKey(filepath.Join(dir, "ca.key"), newP256)
	if err != nil {
		return nil, err
	}
	signing, err := loadKey(filepath.Join(dir, "signing.key"), newP256)
	if err != nil {
		return nil, err
	}
	hostKey, err := loadKey(filepath.Join(dir, "host.key"), newP256)
	if err != nil {
		return nil, err
	}
	p := &pki{signing: signing, caFile: filepath.Join(dir, "ca.pem")}
	now := time.Now()
	caTemplate := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Token Helpers test CA"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	if p.caPEM, err = certificate(p.caFile, caTemplate, caTemplate, caKey, caKey); err != nil {
		return nil, err
	}
	block, _ := pem.Decode(p.caPEM)
	if block == nil {
		return nil, errors.New("no certificate in " + p.caFile)
	}
	ca, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, err
	}
	host := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(1, 0, 0),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if p.hostPEM, err = certificate(filepath.Join(dir, "host.pem"), host, ca, hostKey, caKey); err != nil {
		return nil, err
	}
	p.hostKey, err = os.ReadFile(filepath.Join(dir, "host.key"))
	return p, err
}

// loadKey reads a key, or generates and saves it.
func loadKey[K crypto.Signer](name string, generate func() (K, error)) (K, error) {
	var none K
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		key, err := generate()
		if err != nil {
			return none, err
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return none, err
		}
		return key, os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
	}
	if err != nil {
		return none, err
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return none, errors.New("no key in " + name)
	}
	k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return none, err
	}
	key, ok := k.(K)
	if !ok {
		return none, errors.New("another kind of key in " + name)
	}
	return key, nil
}

func certificate(name string, template, parent *x509.Certificate, key, parentKey *ecdsa.PrivateKey) ([]byte, error) {
	if b, err := os.ReadFile(name); err == nil {
		return b, nil
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		return nil, err
	}
	b := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return b, os.WriteFile(name, b, 0o644)
}
