package main

import (
	"os"

	"github.com/onsi/ginkgo/v2"
)

// Each spec makes a host's network namespace of its own; the host's state directory begins empty too.
var _ = ginkgo.BeforeEach(func() { _ = os.RemoveAll("/run/cni-bridge") })
