package inspect

import (
	"strings"

	"example.org/token-helpers/shared/service"
	"example.org/token-helpers/shared/token"
)

// decode decodes an input. If it is not a token, the kind and err of the returned input say
// what it is. If d is not nil, the token is valid only until d decodes the next one.
func decode(d *token.Decoder, i input) (input, *token.JWT) {
	if i.err != nil {
		return i, nil
	}
	if d == nil {
		d = new(token.Decoder)
	}
	j, err := d.Decode(i.raw)
	if err == nil {
		if cut := withoutPlaceholder(i.raw, j); cut != nil {
			if j, err = d.Decode(cut); err == nil {
				i.raw, i.note = cut, strings.TrimPrefix(i.note+"; "+noSignature, "; ")
				return i, j
			}
		}
		return i, j
	}
	if raw, note, more := within(i.raw); raw != nil {
		if j, inner := d.Decode(raw); inner == nil {
			i.raw, i.note = raw, note
			if more && i.mode != 0 {
				i.form = service.Wrapped
			}
			return i, j
		} else {
			err = inner
		}
	}
	i.kind, i.err = notJWT(i.raw, err)
	return i, nil
}
