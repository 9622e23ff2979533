"""The host's picture in several notations; none of them knows where the facts come from."""
