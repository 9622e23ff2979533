"""Where the executable keeps what the plugin path does without: people.zip and the data files.

Nothing here knows what the library is wanted for; outside the executable it is simply there.
"""

import codecs
import posix
import sys

import cni_bridge


def open_library() -> None:
    """Make the heavy modules importable: json, re, jsonschema, pyroute2, rich, cni_bridge.cli.

    They are not on `sys.path` from the start because every entry slows every import down.
    """
    root = _root()
    archive = f"{root}/people.zip"
    if root is None or archive in sys.path:
        return
    if not posix.access(archive, posix.F_OK):
        _unpack(root)
    sys.path.insert(0, archive)
    sys.path.append(root)  # packages with compiled parts lie beside the archive
    cni_bridge.__path__.append(f"{archive}/cni_bridge")  # imported already, one half of it
    _exchange_codecs()


def data_path(name: str) -> str:
    """The path of a data file, like `schemas/network.schema.json`."""
    root = _root()
    if root is not None:  # there, modules have no __file__
        return f"{root}/{name}"
    package = __file__.rpartition("/")[0]
    installed = f"{package}/{name}"  # a wheel has them inside the package
    return installed if posix.access(installed, posix.F_OK) else f"{package}/../{name}"


def _exchange_codecs() -> None:
    """Let the standard library find codecs, in place of whoever knows but one (build/codec.py)."""
    codecs.unregister(sys.modules.pop("encodings").search_function)
    import encodings  # noqa: F401 - it registers itself


def _unpack(root: str) -> None:
    """Unpack the rest of the portable executable, which leaves it packed to start sooner."""
    import os
    from zipimport import zipimporter

    packed = zipimporter(sys.executable)
    for name in packed.get_data("contents").decode().splitlines():
        os.makedirs(f"{root}/{name.rpartition('/')[0]}", exist_ok=True)
        with open(f"{root}/{name}", "wb") as file:
            file.write(packed.get_data(name))
    sys.path_importer_cache.clear()  # the directories were listed without these files


def _root() -> str | None:
    """The directory of the executable's libraries; None where there is no executable."""
    root: str | None = getattr(sys, "_MEIPASS", None)  # set by the bootloader
    return root
