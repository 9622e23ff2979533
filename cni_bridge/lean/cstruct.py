"""The C half of `struct`, which packs and unpacks the bytes of netlink messages.

Its Python half would be one module more in every run.
"""

try:
    from _struct import Struct, calcsize, pack, unpack, unpack_from
except ImportError:  # an interpreter that renamed its private module still works, only slower
    from struct import Struct, calcsize, pack, unpack, unpack_from

__all__ = ["Struct", "calcsize", "pack", "unpack", "unpack_from"]
