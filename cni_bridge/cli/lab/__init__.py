"""A laboratory: small networks built for real, to learn from, and removed again."""
