package inspect

import (
	"bytes"
	"fmt"

	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/text"
	"example.org/token-helpers/shared/token"
)

// claimsRenderer prints the claims unchanged, for pipes. It prints findings on stderr.
type claimsRenderer struct{ *output }

func (r *claimsRenderer) token(v *view) {
	if v.Note != "" {
		r.env.Say("note: this is %s", v.Note)
	}
	if v.token.Unsigned() {
		// A program that reads the claims would mistake them for those of an access token.
		err := fmt.Errorf("%w: it is not signed (alg none), and no service accepts it; -o text shows its contents", token.ErrNotToken)
		if v.Kind == "refresh token" {
			err = fmt.Errorf("%w: it is not signed (alg none), like INDIGO IAM's refresh tokens: use the access token", token.ErrNotToken)
		}
		r.notToken(input{label: v.Label, line: v.Line, kind: v.Kind, err: err})
		return
	}
	r.findings(v)
	r.writeEscaped(append(bytes.Clone(v.token.Claims), '\n'))
}

// findings prints the causes, and the remarks on duplicates and on the kind of the token.
func (r *claimsRenderer) findings(v *view) {
	where := r.where(v)
	for _, f := range v.Causes {
		r.env.Say("error: %s%s", where, text.OneLine(f.Message))
		if f.Hint != "" {
			r.env.Say("hint: %s", text.OneLine(f.Hint))
		}
		if f.Command != "" {
			r.env.Say("  %s", text.OneLine(f.Command))
		}
	}
	for _, f := range v.Remarks {
		if f.Code == finding.ClaimDuplicate || f.Code == finding.Kind && v.OK {
			r.env.Say("note: %s%s", where, text.OneLine(f.Message))
		}
	}
}
