package finding

// Who prints messages.
const (
	byLibrary  = "HTCondor and XRootD (scitokens-cpp)"
	byCondor   = "HTCondor's server"
	byClient   = "HTCondor's client"
	byXRootD   = "XRootD's server"
	byXClient  = "XRootD's client"
	byIssuer   = "an issuer"
	byIAM      = "INDIGO IAM"
	byKeycloak = "Keycloak"
	byAgent    = "oidc-agent"
)

const (
	askAudience = "Request a token for this service: `condor-token-helper --ce` or `xrd-token-helper --server`."
	asClaim     = "The issuer must set the claim."
	logInAgain  = "Log in again: run the helper's `login` command."
	checkToken  = "Check the token: `jwt-inspect --ce HOST < token` or `jwt-inspect --xrd URL < token`."
)

var logMessages = []LogMessage{
	{"'aud' claim verification failed", byLibrary, "The token's audience is not one of the server's, or it is valid for any service in another profile.", askAudience, []Code{AudMismatch}},
	{"'aud' claim required for WLCG profile", byLibrary, "The token has no audience.", askAudience, []Code{AudMissing}},
	{"'aud' claim required for SciTokens 2.0 profile", byLibrary, "The token has no audience.", askAudience, []Code{AudMissing}},
	{"'aud' claim is mandatory", byLibrary, "The token has no audience.", askAudience, []Code{AudMissing}},
	{"token verification failed: token expired", byLibrary, "The token expired, or iat or nbf is in the future: servers allow no leeway and report both this way.", "Get a new token. If it is new, compare the clocks.", []Code{Expired, NotYetValid}},
	{"token expired", byLibrary, "The token expired, or iat or nbf is in the future: servers allow no leeway and report both this way.", "Get a new token. If it is new, compare the clocks.", []Code{Expired, NotYetValid}},
	{"invalid signature", byLibrary, "The token was truncated or changed, or the server has cached an old key with the same key ID.", "Copy the whole token again. After a change of keys, remove the server's key cache.", []Code{SignatureInvalid}},
	{"wrong algorithm", byLibrary, "The algorithm in the header is not the one of the key, or it is not RS256 or ES256.", "The issuer must sign with RS256 or ES256.", []Code{AlgMismatch, AlgRefused}},
	{"Key ID is not published by the issuer", byLibrary, "The issuer has no key with the ID in the header, or the server's cached keys are up to 10 minutes old.", "Wait for 10 minutes, or check the keys: `jwt-inspect --fetch-keys < token`.", []Code{KidUnknown}},
	{"Key ID empty but multiple keys published", byLibrary, "The header names no key, and the issuer has several.", "The issuer must write the key ID.", []Code{KidMissing}},
	{"Unknown WLCG profile version in token: …", byLibrary, "wlcg.ver is not \"1.0\".", "The issuer must write \"1.0\".", []Code{VersionUnknown}},
	{"Unknown profile version in token: …", byLibrary, "ver is neither \"scitoken:2.0\", \"scitokens:2.0\" nor \"scitokens:1.0\".", "Check how the client is registered.", []Code{VersionUnknown}},
	{"'ver' claim value must be a string", byLibrary, "ver is not a string.", "The issuer must write a string.", []Code{VersionUnknown}},
	{"'scope' claim is mandatory", byLibrary, "The token has no scope claim. It may be an ID token, or have groups only.", "Request scopes.", []Code{ClaimMissing, GroupsOnly}},
	{"'scope' claim verification failed", byLibrary, "The scope claim is not a string; or, since scitokens-cpp 1.4.1, a scope's path contains \"..\", or still %, a slash or a backslash after decoding.", "Request the scope with a plain path.", []Code{ScopeNotString, PathDots, PathEncoded}},
	{"'iat' claim is mandatory", byLibrary, "The token has no time of issue.", asClaim, []Code{ClaimMissing}},
	{"'exp' claim is mandatory", byLibrary, "The token has no expiry.", asClaim, []Code{ClaimMissing, NeverExpires}},
	{"'nbf' claim is mandatory", "HTCondor and XRootD (scitokens-cpp before 1.0.0)", "The token has no nbf.", "Update the server, or let the issuer set nbf.", []Code{ClaimMissing}},
	{"'iss' claim is mandatory", byLibrary, "The token names no issuer.", asClaim, []Code{ClaimMissing}},
	{"'sub' claim verification failed", byLibrary, "The subject is not a string.", asClaim, []Code{ClaimMissing}},
	{"'jti' claim verification failed", byLibrary, "jti is not a string.", "The issuer must write a string.", []Code{ClaimMissing}},
	{"… claim verification is mandatory", byLibrary, "The token has no version claim, so it is read as SciTokens 1.0, which does not allow the claim.", "Check how the client is registered; at INDIGO IAM, register it with the scope wlcg.", []Code{VersionMissing}},
	{"Unable to retrieve token subject: std::bad_cast", byCondor, "The token has no subject, or it is not a string.", asClaim, []Code{ClaimMissing}},
	{"std::bad_cast", byLibrary, "A claim or a header parameter has the wrong JSON type: often a time with a fraction (before scitokens-cpp 1.2.0), a missing subject, or a typ or kid that is not a string.", checkToken, []Code{TimeNotInteger, ClaimMissing, HeaderType}},
	{"invalid type", "HTCondor and XRootD (scitokens-cpp since 1.1)", "A claim that the server reads is null.", "The issuer must leave the claim out.", []Code{ClaimMissing}},
	{"type mismatch! call is<type>() before get<type>()", byLibrary, "The audience is a list that contains something other than strings, such as null.", "The issuer must write strings only.", []Code{ClaimMissing}},
	{"claim not found", byLibrary, "The header has no alg.", "The issuer must write alg.", []Code{AlgRefused}},
	{"Issuer URL missing hostname", byLibrary, "The issuer is empty, or not a URL.", asClaim, []Code{ClaimMissing, IssNotHTTPS}},
	{"Issuer URL must be HTTPS", byLibrary, "The issuer is not an https URL.", "Request the token at the issuer's https address.", []Code{IssNotHTTPS}},
	{"Token issuer is not in list of allowed issuers", byLibrary, "The server's configuration does not have the issuer, spelled exactly as in the token: check the slash at the end.", "Add the issuer to scitokens.cfg: `jwt-inspect --xrd URL --scitokens-cfg FILE < token`.", []Code{IssNotConfigured, IssSlash}},
	{"Token issuer … is not in list of allowed issuers", byLibrary, "The server's configuration does not have the issuer, spelled exactly as in the token: check the slash at the end.", "Add the issuer to scitokens.cfg: `jwt-inspect --xrd URL --scitokens-cfg FILE < token`.", []Code{IssNotConfigured, IssSlash}},
	{"Invalid input: not within alphabet", byLibrary, "The token file contains more than the token, such as `Bearer` or a comment.", "Write only the token to the file.", []Code{FileForm, NotAToken}},
	{"Invalid input: incorrect total size", byLibrary, "The token is damaged.", "Copy the whole token again.", []Code{NotAToken}},
	{"invalid token supplied", byLibrary, "The token does not have three parts.", "Copy the whole token again.", []Code{NotAToken}},
	{"Timeout when loading the OIDC metadata", byLibrary, "The server could not reach the issuer.", "Check the network of the server.", []Code{KeysUnavailable}},
	{"Failed to retrieve metadata provider information", byLibrary, "The server did not find the issuer's discovery document.", "Check the issuer's URL from the server.", []Code{KeysUnavailable}},
	{"Couldn't connect to server", byLibrary, "The server could not reach the issuer to fetch its keys.", "Check the issuer's URL and the network of the server.", []Code{KeysUnavailable}},
	{"peer certificate or SSH remote key was not OK", byLibrary, "The server does not trust the issuer's certificate.", "Add the CA to the CA bundle of the server's system.", []Code{KeysUnavailable}},
	{"Failed to deserialize scitoken: …", byCondor, "HTCondor's server could not verify the token; the reason follows.", checkToken, nil},
	{"Failed to verify token and generate ACLs: …", byCondor, "HTCondor's server could not verify the token; the reason follows.", checkToken, nil},
	{"Failed to map SCITOKENS authenticated identity …", byCondor, "No line of the map file maps ISSUER,SUBJECT.", "Find the line to add: `jwt-inspect --ce HOST --mapfile FILE < token`.", []Code{MapMissing}},
	{"AUTHENTICATE:1003", byClient, "No method of authentication succeeded. The reason is only in the server's log.", "`jwt-inspect --ce HOST < token`, and look into the CollectorLog or SchedLog of the CE.", []Code{AudMismatch, Expired, MapMissing, MethodOff}},
	{"AUTHENTICATE:1004:Failed to authenticate using SCITOKENS", byClient, "The server refused the token. The reason is only in the server's log.", "`jwt-inspect --ce HOST < token`, and look into the CollectorLog or SchedLog of the CE.", []Code{AudMismatch, Expired, MapMissing}},
	{"Failed to authenticate using SCITOKENS", byClient, "The server refused the token, or the client found no token. The reason is only in the server's log.", "`jwt-inspect --ce HOST < token`.", []Code{AudMismatch, Expired, MapMissing}},
	{"AUTHENTICATE:1002", byClient, "The server closed the connection during the authentication: it was too busy, or it crashed.", "Try again.", nil},
	{"AUTHENTICATE:1006", byClient, "The server did not answer in time.", "Try again.", nil},
	{"SECMAN:2010:Received \"DENIED\" from server for user … using method SCITOKENS", byClient, "The token was accepted, but its scopes, or the ALLOW and DENY rules for its user, do not allow the operation.", "`jwt-inspect --ce HOST --mapfile FILE --condor-config FILE < token`.", []Code{ScopeMissing, WriteIncomplete, Denied}},
	{"Received \"DENIED\" from server", byClient, "The authentication succeeded, but the scopes or the ALLOW and DENY rules do not allow the operation.", "`jwt-inspect --ce HOST --mapfile FILE --condor-config FILE < token`.", []Code{ScopeMissing, WriteIncomplete, Denied}},
	{"PERMISSION DENIED to …", byCondor, "The user is authenticated, but not authorized: the scopes of the token or the ALLOW and DENY rules decide.", "`jwt-inspect --ce HOST --mapfile FILE --condor-config FILE < token`.", []Code{ScopeMissing, Denied}},
	{"DC_AUTHENTICATE: authentication of … did not result in a valid mapped user name", byCondor, "The server requires a mapped user, but the map file has no line for the token.", "Find the line to add: `jwt-inspect --ce HOST --mapfile FILE < token`.", []Code{MapMissing}},
	{"File exists (errno=17)", byClient, "The token file is a symbolic link, which HTCondor's client does not open.", "Use the file itself, and write it by renaming.", []Code{FileLink}},
	{"invalid range in character class", byCondor, "PCRE2 rejects an expression of the map file, such as [\\w-.], so the line is skipped.", "Put the hyphen at the end: [\\w.-].", []Code{MapLine}},
	{"No protocols left to try", byXClient, "The login (ztn) refused the token, or the client found no token file that it accepts. Exit code 52, or 54.", "`jwt-inspect --xrd URL < token`; XRD_LOGLEVEL=Debug shows why the client rejects a file.", []Code{AudMismatch, Expired, FileMode, TooLong}},
	{"[3010] … permission denied", byXClient, "The login succeeded, but no scope of the token allows the operation on this path. Exit code 54.", "`jwt-inspect --xrd URL --write --path /PATH < token`.", []Code{ScopeMissing, PathMismatch}},
	{"permission denied", byXClient, "The login succeeded, but no scope of the token allows the operation on this path. Exit code 54.", "`jwt-inspect --xrd URL --write --path /PATH < token`.", []Code{ScopeMissing, PathMismatch}},
	{"403 Forbidden", "XRootD and StoRM WebDAV over https", "The token was refused, or it does not allow the operation. https gives no reason; it is in the server's log.", "`jwt-inspect --xrd URL --write --path /PATH < token`.", []Code{AudMismatch, ScopeMissing, PathMismatch, Expired}},
	{"message too long", byXClient, "The token is longer than 4095 bytes, which is the limit of XRootD's login.", "Request fewer scopes or no groups, or use https.", []Code{TooLong}},
	{"contains unsafe characters; rejecting", byXRootD, "The name that username_claim yields is not a valid user name (since 5.9.3 and 6.0.1).", "Use a claim whose values consist of letters, digits and ._@-.", []Code{CfgUserName}},
	{"No issuers configured", byXRootD, "scitokens.cfg has no usable issuer.", "Add an [Issuer NAME] section.", []Code{CfgEmpty}},
	{"Error generating ACLs for authorization", byXRootD, "The token was refused; the reason follows.", "`jwt-inspect --xrd URL --scitokens-cfg FILE < token`.", nil},
	{"Failed to generate ACLs for token", byXRootD, "The token was refused; the reason is in the line before.", "`jwt-inspect --xrd URL --scitokens-cfg FILE < token`.", nil},
	{"Failed to deserialize SciToken: …", byXRootD, "The token was refused; the reason follows.", "`jwt-inspect --xrd URL --scitokens-cfg FILE < token`.", nil},
	{"ACL generation from SciToken failed: …", byXRootD, "The token was refused; the reason follows.", "`jwt-inspect --xrd URL --scitokens-cfg FILE < token`.", nil},
	{"Failed to get token groups: Claim's value is not a JSON list", byXRootD, "The token has no groups, or they are not a list. This refuses nothing.", "Ignore it, unless name_mapfile has rules for groups.", nil},
	{"AUTHENTICATE: method … (SCITOKENS) failed", byCondor, "The server refused the token; the reason is in a line before.", checkToken, nil},
	{"SciToken Authentication failed at token exchange", byCondor, "The server refused the token; the reason is in a line before.", checkToken, nil},
	{"SSL Authentication fails", byCondor, "The client does not trust the server's certificate, or closed the connection.", "Check the CA of the client: AUTH_SSL_CLIENT_CAFILE or AUTH_SSL_CLIENT_CADIR.", nil},
	{"Invalid ACL in SciToken", byXRootD, "A scope's path is not absolute.", "Request the scope with its path.", []Code{PathMissing}},
	{"Top-level element of the mapfile … must be a list", byXRootD, "name_mapfile is not a JSON list, so the server does not start.", "Correct the file.", []Code{CfgBroken}},
	{"Another algorithm expected", "StoRM WebDAV", "StoRM WebDAV accepts RS256 only.", "The issuer must sign with RS256.", []Code{AlgRefused}},
	{"invalid_grant", byIssuer, "The login is no longer valid: it expired, was revoked, or the refresh token was used twice. INDIGO IAM also reports an unsigned use policy and Keycloak a disabled user this way: read the description.", logInAgain, nil},
	{"invalid_client", byIssuer, "The issuer no longer knows the client, or its secret is wrong.", logInAgain + " The helper registers a new client.", nil},
	{"unauthorized_client", byIssuer, "The client may not use this grant, or its secret is wrong.", "Use a client that may: `--client-id`.", nil},
	{"invalid_scope", byIssuer, "The client may not request one of the scopes.", "Request fewer scopes, or register a client with them: `login --client-id ID`.", []Code{ScopeMissing}},
	{"invalid_target", byIssuer, "The issuer does not know the resource that was requested as the audience.", "Set `audience_parameter = \"audience\"` for the issuer.", []Code{AudMismatch}},
	{"insufficient_scope: Policy …", byKeycloak, "A registration policy refuses the registration of clients by users.", "Let the administrator register a client, and use `--client-id`.", nil},
	{"Client is not within the token audience", byKeycloak, "Token exchange is refused, because the client is not an audience of the token.", "Add the client to the audience of the token.", nil},
	{"Bad credentials", byIAM, "The client was deleted at the issuer, or its secret is wrong.", logInAgain + " The helper registers a new client.", nil},
	{"User … is not active", byIAM, "The account is disabled.", "Ask the administrators of the issuer.", nil},
	{"You do not have enough privileges to access this client registration API", byIAM, "Only users that are logged in can register clients.", "Register a client in the web interface, and use `--client-id`.", nil},
	{"sign AUP", byIAM, "The use policy is not signed. The login is valid again after that.", "Sign it in the web interface of the issuer.", nil},
	{"access_denied", byIssuer, "The user refused, or the account is disabled.", "Log in again, and approve the request.", nil},
	{"expired_token", byIssuer, "The code expired before the login was approved.", "Run the login command again.", nil},
	{"authorization_pending", byIssuer, "The login was not approved yet. Clients continue to ask.", "Approve the login in the browser.", nil},
	{"slow_down", byIssuer, "The client asks too often. Clients wait for longer.", "", nil},
	{"interaction_required", byIssuer, "The issuer wants the user to do something in a browser.", logInAgain, nil},
	{"temporarily_unavailable", byIssuer, "The issuer is overloaded or under maintenance.", "Try again later.", nil},
	{"No account configured with that short name", byAgent, "There is no account with this name.", "List the accounts: `oidc-add -l`.", nil},
	{"account not loaded", byAgent, "The account exists, but it is not loaded.", "Load it: `oidc-add NAME`.", nil},
	{"decryption failed", byAgent, "The agent could not read the request: the client and the agent do not match.", "Restart the agent.", nil},
	{"could not parse json", byAgent, "The issuer answered with something other than JSON, such as an error page.", "Try again later, or ask the issuer.", nil},
	{"Unknown request type", byAgent, "The agent is older than the request.", "", nil},
}
