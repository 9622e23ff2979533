"""Commands for people. These modules may import anything; the plugin imports none of them."""
