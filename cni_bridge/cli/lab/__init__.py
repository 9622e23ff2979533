"""A laboratory: the pictures of how containers are wired, built for real and removed again."""
