package finding

import "slices"

// The codes of all causes, in the order of [Sections].
const (
	NotAToken        Code = "not-a-token"
	Kind             Code = "kind"
	Unsigned         Code = "unsigned"
	SignatureMissing Code = "signature-missing"
	IDToken          Code = "idtoken"
	ClaimDuplicate   Code = "claim-duplicate"
	ClaimMissing     Code = "claim-missing"
	JSONRefused      Code = "json-refused"
	TooLong          Code = "too-long"
	FileMode         Code = "file-mode"
	FileLink         Code = "file-link"
	FileForm         Code = "file-form"

	Expired        Code = "expired"
	NotYetValid    Code = "not-yet-valid"
	TimeNotInteger Code = "time-not-integer"
	TimeRange      Code = "time-range"
	LifetimeShort  Code = "lifetime-short"
	LifetimeRange  Code = "lifetime-range"
	NeverExpires   Code = "never-expires"

	IssMismatch      Code = "iss-mismatch"
	IssNotHTTPS      Code = "iss-not-https"
	IssSlash         Code = "iss-slash"
	IssNotConfigured Code = "iss-not-configured"
	SubForm          Code = "sub-form"
	VersionUnknown   Code = "version-unknown"
	VersionMissing   Code = "version-missing"
	VersionBoth      Code = "version-both"
	HeaderType       Code = "header-type"
	ProfileMismatch  Code = "profile-mismatch"

	AudMissing  Code = "aud-missing"
	AudMismatch Code = "aud-mismatch"
	AudAny      Code = "aud-any"

	ScopeMissing       Code = "scope-missing"
	ScopeNotString     Code = "scope-not-string"
	GroupsOnly         Code = "groups-only"
	ComputeWithoutWLCG Code = "compute-without-wlcg"
	WriteIncomplete    Code = "write-incomplete"
	CondorAllow        Code = "condor-allow"
	StorageWithoutWLCG Code = "storage-without-wlcg"
	PathMismatch       Code = "path-mismatch"
	PathPrefix         Code = "path-prefix"
	PathMissing        Code = "path-missing"
	PathEncoded        Code = "path-encoded"
	PathDots           Code = "path-dots"
	ScopeSeparator     Code = "scope-separator"
	CreateNotOverwrite Code = "create-not-overwrite"
	WriteWithoutRead   Code = "write-without-read"
	VersionDiffers     Code = "version-differs"
	VersionVulnerable  Code = "version-vulnerable"

	AlgRefused       Code = "alg-refused"
	KidMissing       Code = "kid-missing"
	KidUnknown       Code = "kid-unknown"
	AlgMismatch      Code = "alg-mismatch"
	KeyUnusable      Code = "key-unusable"
	SignatureInvalid Code = "signature-invalid"
	CritUnknown      Code = "crit-unknown"
	KeysUnavailable  Code = "keys-unavailable"

	CfgMatch             Code = "cfg-match"
	CfgUser              Code = "cfg-user"
	CfgUserName          Code = "cfg-user-name"
	PathOutsideBase      Code = "path-outside-base"
	PathBase             Code = "path-base"
	PathRestricted       Code = "path-restricted"
	StrategyNoCapability Code = "strategy-no-capability"
	OnMissingAllow       Code = "onmissing-allow"
	OnMissingNext        Code = "onmissing-next"
	CfgAudience          Code = "cfg-audience"
	CfgBroken            Code = "cfg-broken"
	CfgEmpty             Code = "cfg-empty"
	CfgIgnored           Code = "cfg-ignored"
	CfgValue             Code = "cfg-value"
	CfgDuplicate         Code = "cfg-duplicate"
	CfgLine              Code = "cfg-line"
	CfgRestriction       Code = "cfg-restriction"
	CfgMore              Code = "cfg-more"

	Mapped        Code = "mapped"
	MapMissing    Code = "map-missing"
	MapLoose      Code = "map-loose"
	MapLine       Code = "map-line"
	MapInclude    Code = "map-include"
	MapUnknown    Code = "map-unknown"
	Denied        Code = "denied"
	Authorized    Code = "authorized"
	ReadOpen      Code = "read-open"
	MethodOff     Code = "method-off"
	ForeignIssuer Code = "foreign-issuer"
	ConfigLine    Code = "config-line"

	CredentialMissing Code = "credential-missing"
	TokenUnavailable  Code = "token-unavailable"
	URLUnusable       Code = "url-unusable"
)

// Effect says whether a token is refused because of a cause.
type Effect int

const (
	Always Effect = iota
	Never
	Sometimes
)

// Cause describes a code. The texts are Markdown.
type Cause struct {
	Code Code
	// What says what is wrong. Do says what to do about it, if anything.
	What, Do string
	Effect   Effect
	// When says in which cases the token is refused, if Effect is [Sometimes], or gives the
	// exit code if it is not 1.
	When string
}

// Section is a group of causes.
type Section struct {
	Title, Intro string
	Causes       []Cause
	// configuration means that the causes are in a site's configuration.
	configuration bool
}

// Sections returns the causes in the order in which they are documented.
func Sections() []Section { return slices.Clone(sections) }

// Lookup returns the cause with the code.
func Lookup(c Code) (Cause, bool) {
	for _, s := range sections {
		for _, k := range s.Causes {
			if k.Code == c {
				return k, true
			}
		}
	}
	return Cause{}, false
}

var sections = []Section{
	{Title: "The token itself", Causes: []Cause{
		{NotAToken, "The input is not a signed token: it is encrypted (JWE), opaque, a macaroon, PEM, a file name or something else. `kind` and the message say what it is.", "Use the access token.", Always, "exit code 3"},
		{Kind, "The token is an ID token, a refresh token, a DPoP proof or of another kind that is not for services.", "Request an access token.", Sometimes, "cause if a service refuses the token, otherwise remark"},
		{Unsigned, "The token is not signed (`alg` is none). No service accepts it.", "Use the access token. INDIGO IAM issues unsigned refresh tokens.", Always, "exit code 3"},
		{SignatureMissing, "The signature was left out. Everything else is checked.", "To use the token, copy it with its signature.", Sometimes, "cause in a token helper, remark in jwt-inspect"},
		{IDToken, "The token is an IDTOKEN of HTCondor. HTCondor reads it from `~/.condor/tokens.d` or `/etc/condor/tokens.d`, not from `BEARER_TOKEN`, and only the daemons that have its signing key can verify it.", "Put it into `tokens.d`, with mode 0600. For a CE of another site, request an access token.", Never, ""},
		{ClaimDuplicate, "A claim or header parameter occurs twice. HTCondor and XRootD use the last one.", "The issuer must write it once.", Never, ""},
		{ClaimMissing, "A required claim is missing or has the wrong JSON type. Server logs show `std::bad_cast` for some of them.", "The issuer must set the claim.", Sometimes, "cause; remark for `jti`, and for `nbf` except on old servers"},
		{JSONRefused, "The JSON of the token is valid, but the servers' parser refuses it: a string has half of a surrogate pair, a number is too large, or more than 100 lists are nested. Server logs show `invalid json` or no reason.", "The issuer must leave it out.", Always, ""},
		{TooLong, "The token is longer than HTCondor (16 KiB) or XRootD's root:// login (4095 bytes) reads.", "Request fewer scopes, or no groups.", Always, ""},
		{FileMode, "Other users can access the token file. XRootD clients reject such a file.", "Run `chmod 600 FILE`.", Always, ""},
		{FileLink, "The token file is a symbolic link. HTCondor clients do not open it.", "Use the file itself.", Always, ""},
		{FileForm, "The token file contains more than the token, such as `Bearer`, quotes or another token, and the client sends all of it.", "Write only the token to the file.", Always, ""},
	}},
	{Title: "Time", Causes: []Cause{
		{Expired, "The token expired. Servers allow no leeway.", "Get a new token.", Always, ""},
		{NotYetValid, "`iat` or `nbf` is in the future. Servers report this as \"token expired\".", "Check the clocks of this machine and of the issuer.", Always, ""},
		{TimeNotInteger, "A time is not a number (RFC 7519 section 4.1.4), or it has a fraction, which scitokens-cpp before 1.2.0 refuses.", "The issuer must write an integer.", Always, ""},
		{TimeRange, "A time is after the year 2262, which servers misread. It is probably in milliseconds.", "The issuer must write seconds.", Sometimes, "cause if the misread time refuses the token, otherwise remark"},
		{LifetimeShort, "The token expires earlier than `--min-lifetime` requires.", "Require a shorter lifetime, or get a new token.", Always, ""},
		{LifetimeRange, "The lifetime is outside the 15 minutes to 6 hours of the WLCG profile.", "", Never, ""},
		{NeverExpires, "The token has no `exp`, so it never expires.", "The issuer must set `exp`.", Never, ""},
	}},
	{Title: "Issuer, subject, version", Causes: []Cause{
		{IssMismatch, "The token is from another issuer than `--issuer`.", "Request it from the other issuer.", Always, ""},
		{IssNotHTTPS, "The issuer is not an https URL. Servers fetch keys over https only.", "Request the token at the issuer's https address.", Always, ""},
		{IssSlash, "The issuer ends with a slash. Configurations are compared byte for byte.", "Check with `--mapfile` or `--scitokens-cfg`.", Never, ""},
		{IssNotConfigured, "`scitokens.cfg` has no section for the issuer.", "Add a section.", Always, ""},
		{SubForm, "The subject is not ASCII of at most 255 characters.", "", Never, ""},
		{VersionUnknown, "The version is neither `wlcg.ver` \"1.0\" nor `ver` \"scitoken:2.0\", or it is not a string.", "Check how the client is registered.", Always, ""},
		{VersionMissing, "There is no version claim, but a claim that SciTokens 1.0 does not allow.", "Check how the client is registered.", Always, ""},
		{VersionBoth, "The token has both `ver` and `wlcg.ver`. `ver` wins, and WLCG scopes do not count. With `ver` \"scitokens:1.0\", servers refuse the token.", "The issuer must write one of them.", Never, ""},
		{HeaderType, "The `typ` of the header is not a string. scitokens-cpp refuses the token.", "The issuer must write a string.", Always, ""},
		{ProfileMismatch, "The token does not have the profile that `--profile` names.", "Request a token of that profile.", Always, ""},
	}},
	{Title: "Audience", Causes: []Cause{
		{AudMissing, "The token has no audience.", "Request a token for the service: `condor-token-helper --ce` or `xrd-token-helper --server`.", Always, ""},
		{AudMismatch, "The token has another audience than the service expects. Audiences are compared byte for byte: the message says whether only scheme, port, slash, case or the short host name differ.", "Request a token for the service: `condor-token-helper --ce` or `xrd-token-helper --server`.", Always, ""},
		{AudAny, "The token is valid for any service, so every service that receives it can use it at others.", "Request a token for this service only.", Never, ""},
	}},
	{Title: "Rights", Causes: []Cause{
		{ScopeMissing, "No scope allows the operation.", "Request the scope, or ask the issuer who may have it.", Always, ""},
		{ScopeNotString, "The scopes are a JSON list.", "The issuer must write one string.", Always, ""},
		{GroupsOnly, "The token has groups but no scope. HTCondor and XRootD authorize by scopes.", "Request capabilities.", Always, ""},
		{ComputeWithoutWLCG, "`compute.*` scopes count only with `wlcg.ver` \"1.0\".", "Request the WLCG profile, or `condor:/READ condor:/WRITE`.", Always, ""},
		{WriteIncomplete, "Submitting jobs requires `compute.modify`, `compute.cancel` and `compute.create` together.", "Run `condor-token-helper --write`.", Always, ""},
		{CondorAllow, "`condor:/ALLOW` has no meaning since HTCondor 8.9.7.", "Request `compute.*`.", Always, ""},
		{StorageWithoutWLCG, "`storage.*` scopes count only with `wlcg.ver` \"1.0\".", "Request the WLCG profile, or `read:/ write:/`.", Always, ""},
		{PathMismatch, "No scope covers the path. `/foo` covers `/foo/bar`, but not `/foobar`.", "Request a scope for the path.", Always, ""},
		{PathPrefix, "A scope covers the path only because of a bug in XRootD before 5.6.9.", "Request a scope for the path.", Never, ""},
		{PathMissing, "A scope has no absolute path. XRootD uses `/`, the profile forbids it.", "Request it with a path.", Never, ""},
		{PathEncoded, "A scope has a percent-encoded path. scitokens-cpp before 1.4.1 does not decode it. Since 1.4.1, it refuses the whole token if a decoded path still contains `%`, a slash, a backslash or NUL.", "Request a parent directory whose path needs no encoding.", Sometimes, "cause if the whole token is refused, otherwise remark"},
		{PathDots, "A scope has a path with the component `..`. scitokens-cpp 1.4.1 and later refuse the whole token, even if other scopes are correct, at a CE too. Older versions crash if it leads above the root.", "Request the scope with a path without `..`.", Sometimes, "cause since scitokens-cpp 1.4.1 or above the root, otherwise remark"},
		{ScopeSeparator, "The scopes are separated by a tab or a line break. Only a space separates scopes (RFC 6749 section 3.3): servers read one long scope.", "The issuer must separate scopes with spaces.", Never, ""},
		{CreateNotOverwrite, "`storage.create` does not allow overwriting or deleting files.", "Request `storage.modify`.", Always, ""},
		{WriteWithoutRead, "xrdcp calls stat before it writes, which requires read access before XRootD 5.6.9.", "Run `xrd-token-helper --write`, or use https.", Sometimes, "cause before XRootD 5.6.9, remark since then"},
		{VersionDiffers, "Another supported version of the server decides differently.", "Check with `--server-version` and `--scitokens-cpp`.", Never, ""},
		{VersionVulnerable, "This version of the server has a known vulnerability that matters for tokens like this one.", "Update the server.", Never, ""},
	}},
	{Title: "Signature", Intro: "Except for the first two, these are checked with `--jwks FILE` or `--fetch-keys` only.", Causes: []Cause{
		{AlgRefused, "The token is not signed with RS256 or ES256, the only algorithms that the servers accept, or it is signed with a shared secret (HS256).", "The issuer must sign with RS256 or ES256.", Always, ""},
		{KidMissing, "The header names no key. Servers refuse the token if the issuer has several keys.", "The issuer must write the key ID.", Sometimes, "cause; remark if the keys are unknown"},
		{KidUnknown, "The issuer has no key with this ID: the keys are of another issuer, old, or were replaced. Servers cache keys for up to 10 minutes.", "Fetch the keys again.", Always, ""},
		{AlgMismatch, "The key is for another algorithm or use.", "The issuer must correct the key.", Always, ""},
		{KeyUnusable, "The key is damaged or of an unknown type.", "The issuer must correct the key.", Always, ""},
		{SignatureInvalid, "The token was truncated or changed, or another key signed it.", "Copy the whole token again.", Always, ""},
		{CritUnknown, "The header requires an unknown extension (RFC 7515 section 4.1.11). HTCondor and XRootD ignore it.", "The issuer must leave it out.", Sometimes, "cause; remark for a service"},
		{KeysUnavailable, "The issuer's keys could not be fetched.", "Check the issuer's name and the CA.", Always, "exit code 5 for network errors"},
	}},
	{Title: "`--scitokens-cfg`", configuration: true, Causes: []Cause{
		{CfgMatch, "The section for the issuer, and what the scopes cover there.", "", Never, ""},
		{CfgUser, "The local user of the request.", "", Never, ""},
		{CfgUserName, "The name that `username_claim` yields is not a valid user name for XRootD 5.9.3, 6.0.1 and later.", "Use a name of letters, digits and `._@-`, not beginning with `-`.", Always, ""},
		{PathOutsideBase, "The path is outside `base_path`: no token of this issuer gives access.", "Use a path below `base_path`.", Always, ""},
		{PathBase, "A scope's path is relative to `base_path`, so it covers another path than intended.", "Request the path relative to `base_path`.", Always, ""},
		{PathRestricted, "`restricted_path` does not let this issuer give access to the path.", "Use a path below `restricted_path`.", Always, ""},
		{StrategyNoCapability, "`authorization_strategy` ignores scopes.", "Add `capability` to it.", Sometimes, "cause if `onmissing = deny`, otherwise remark"},
		{OnMissingAllow, "Over https, the server admits requests that it did not authorize. Every other finding is then a remark.", "Set `onmissing = deny`.", Never, ""},
		{OnMissingNext, "The next plugin decides whether to allow what the token does not authorize.", "Check the authorization database.", Never, ""},
		{CfgAudience, "The file has no audience: only tokens for any service are accepted.", "Set `audience` in `[Global]`.", Never, ""},
		{CfgBroken, "The server does not start with this file.", "Correct the line.", Always, ""},
		{CfgEmpty, "The file has no usable issuer.", "Add an `[Issuer NAME]` section.", Always, ""},
		{CfgIgnored, "A line or section that the server ignores.", "", Never, ""},
		{CfgValue, "A value that has another meaning than it seems to have.", "", Never, ""},
		{CfgDuplicate, "A key, section or issuer that occurs twice.", "", Never, ""},
		{CfgLine, "A line that is continued or too long.", "", Never, ""},
		{CfgRestriction, "A `restricted_path` that has another meaning than it seems to have.", "", Never, ""},
		{CfgMore, "There are more findings than are shown.", "", Never, ""},
	}},
	{Title: "`--mapfile`", configuration: true, Causes: []Cause{
		{Mapped, "The line that maps the token, and the user.", "", Never, ""},
		{MapMissing, "No line maps the token.", "Add the line in the hint.", Sometimes, "cause; remark if a line could not be evaluated"},
		{MapLoose, "The expression matches more than it seems to: it lacks `^`, or the comma after the issuer.", "Anchor the expression.", Never, ""},
		{MapLine, "A line that HTCondor skips or reads differently.", "", Never, ""},
		{MapInclude, "A line that includes other files, which were not read.", "Pass the included files too.", Never, ""},
		{MapUnknown, "A line that cannot be evaluated outside HTCondor.", "Check with `condor_ping`.", Never, ""},
	}},
	{Title: "What HTCondor lets a user do", Intro: "These are checked with `--mapfile` and `--condor-config FILE`, the output of `condor_config_val -dump` or `condor_ce_config_val -dump`. Without it, a CE's default rules are applied.", configuration: true, Causes: []Cause{
		{Denied, "The CE maps the token to a user, but does not authorize this user: ALLOW and DENY rules decide.", "Map the token to a user that the rules allow, or add the line in the hint to the configuration.", Always, ""},
		{Authorized, "The rule that authorizes the user.", "", Never, ""},
		{ReadOpen, "Viewing jobs may need no authentication: since HTCondor 24, the default security configuration makes authentication for READ optional, for the client too.", "Set `SEC_READ_AUTHENTICATION = REQUIRED` if users should authenticate.", Never, ""},
		{MethodOff, "The server does not accept tokens: its authentication methods lack SCITOKENS, or authentication is disabled.", "Add SCITOKENS to the methods.", Always, ""},
		{ForeignIssuer, "The issuer is one of `SEC_SCITOKENS_FOREIGN_TOKEN_ISSUERS`: HTCondor accepts its tokens without a version claim and without an audience.", "", Never, ""},
		{ConfigLine, "A line of the configuration that was not read.", "Use the output of `condor_config_val -dump`.", Never, ""},
	}},
	{Title: "Submit files", Intro: "`condor-token-helper preflight` finds these, besides the others.", Causes: []Cause{
		{CredentialMissing, "A URL names a token that the job does not request, or names none although the job carries one for its server.", "Write the line in the hint.", Always, ""},
		{TokenUnavailable, "There is no token to present: the login expired, the issuer refused, or the token's file is missing.", "Run the command in the hint.", Always, "exit code of the error if nothing else is wrong"},
		{URLUnusable, "HTCondor cannot transfer this URL with a token, or it is not a URL.", "Correct the URL.", Always, ""},
	}},
}
