"""The bundle's `encodings`: UTF-8, which the interpreter asks for before it runs anything.

The standard package, which finds all others, comes in its place with people.zip: to load that is a
tenth of the interpreter's whole start.
"""

import codecs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

__path__: list[str] = []  # it is a package


class _Encoder(codecs.IncrementalEncoder):
    def encode(self, text: str, final: bool = False) -> bytes:
        return codecs.utf_8_encode(text, self.errors)[0]


class _Decoder(codecs.BufferedIncrementalDecoder):
    def _buffer_decode(self, data: "Buffer", errors: str, final: bool) -> tuple[str, int]:
        return codecs.utf_8_decode(data, errors, final)


def _decode(data: "Buffer", errors: str = "strict") -> tuple[str, int]:
    return codecs.utf_8_decode(data, errors, True)


UTF_8 = codecs.CodecInfo(
    encode=codecs.utf_8_encode,
    decode=_decode,
    incrementalencoder=_Encoder,
    incrementaldecoder=_Decoder,
    name="utf-8",
)


def search_function(encoding: str) -> codecs.CodecInfo | None:
    """The codec of that name, if it is the one."""
    return UTF_8 if encoding == "utf_8" else None


codecs.register(search_function)
