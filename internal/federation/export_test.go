package federation

import (
	"context"
	"errors"
)

// Refresh looks at each endpoint once.
func (f *Federation) Refresh(ctx context.Context) (err error) {
	for _, m := range f.members {
		err = errors.Join(err, m.refresh(ctx))
	}
	return err
}
