"""Follow one connection from hop to hop until it arrives or something drops it."""
