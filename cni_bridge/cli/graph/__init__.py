"""The host's picture in several notations, all made from the same model."""
