package main

import (
	"context"
	"errors"
)

// daemon runs the daemon until ctx ends; args are the words after "daemon".
func daemon(context.Context, []string) error {
	return errors.New("this program was built without the daemon")
}
