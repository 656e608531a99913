package ecosystem

// Finding is one thing about a token that is not as it has to be.
type Finding struct {
	// Code is stable, for scripts; docs/causes.md lists all of them.
	Code    string
	Message string
	// Missing are the audiences or scopes that the token lacks.
	Missing []string
	// Hint is what to do about it; empty where the message says it.
	Hint string
	// Command is what to type or to paste for it, to be shown unbroken; mostly empty.
	Command string
	// Source is where the rule comes from: a section of a standard, a server's source
	// file, or "measured on VERSION".
	Source string
	// Remark says that nothing is refused for it, though it is worth knowing.
	Remark bool
}
