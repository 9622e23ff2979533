"""Container runtimes, run for real and offline in private namespaces, with the plugin under them."""
