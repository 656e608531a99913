package output

import (
	"errors"
	"os"
)

func openDescriptor(int) (*os.File, error) {
	return nil, errors.New("not available on Windows")
}
