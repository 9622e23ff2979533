"""The test suites of the reference plugins, run with cni-bridge in their place."""
