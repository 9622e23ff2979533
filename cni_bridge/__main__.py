"""The executable's entry: a runtime sets CNI_COMMAND, a person gives arguments.

Only that choice is made here, so that the plugin path loads nothing of the command line.
"""

import posix
import sys


def main() -> int:
    """Run as a plugin or as a command for people; return the exit status."""
    if len(sys.argv) == 1 and any(name.startswith(b"CNI_") for name in posix.environ):
        status = _run_as_plugin()
        # Skip the interpreter's clean-up, which takes a millisecond to free what the kernel frees
        # anyway; unless something is registered for the end.
        if "atexit" not in sys.modules:
            posix._exit(status)
        return status
    from cni_bridge.lean import bundle

    try:
        bundle.open_library()
        from cni_bridge.cli.main import run
    except (OSError, ImportError) as error:
        if not bundle.is_executable():
            raise
        posix.write(2, f"cni-bridge can't run: {error}\n".encode(errors="replace"))
        return 1
    return run(sys.argv[1:])


def _run_as_plugin() -> int:
    if posix.environ.get(b"CNI_COMMAND") == b"VERSION":
        # Whatever else the environment and stdin hold: some runtimes fill them with dummies.
        from cni_bridge.edge import versions

        posix.write(1, versions.answer().encode())
        return 0
    from cni_bridge import plugin

    return plugin.run()


if __name__ == "__main__":
    raise SystemExit(main())
