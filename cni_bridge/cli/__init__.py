"""Commands for people; may import anything, is imported by nobody."""
