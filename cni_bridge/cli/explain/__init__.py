"""One connection, followed from hop to hop until it arrives or something drops it."""
