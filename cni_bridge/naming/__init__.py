"""The nameserver of a network: its data, and the dnsmasq process that serves them."""
