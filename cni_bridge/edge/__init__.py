"""The wire: what comes in on stdin and in CNI_* variables, what goes out on stdout."""
