"""The only code that knows netlink bytes, errno, /proc and descriptors."""
