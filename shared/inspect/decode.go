package inspect

import "example.org/token-helpers/shared/token"

// decode decodes an input. If it is not a token, the input returned says what it is. d may
// be nil; otherwise, the token may be used only until d decodes the next one.
func decode(d *token.Decoder, i input) (input, *token.JWT) {
	if i.err != nil {
		return i, nil
	}
	if d == nil {
		d = new(token.Decoder)
	}
	j, err := d.Decode(i.raw)
	if err == nil {
		return i, j
	}
	if raw, note, more := within(i.raw); raw != nil {
		if j, inner := d.Decode(raw); inner == nil {
			i.raw, i.note, i.wrapped = raw, note, more && i.mode != 0
			return i, j
		} else {
			err = inner
		}
	}
	i.kind, i.err = notJWT(i.raw, err)
	return i, nil
}
