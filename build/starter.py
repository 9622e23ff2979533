"""The executable's entry script: imports the plugin path's modules from code that it carries itself.

Nothing here may look at a file: that is what it saves. The build appends the code, and the call of
`start` (build/bundling.py).
"""

import gc
import marshal  # noqa: F401 - for what the build appends
import sys
from _frozen_importlib import ModuleSpec

TYPE_CHECKING = False

if TYPE_CHECKING:
    from types import CodeType, ModuleType

MODULES: dict[str, "CodeType"] = {}
PACKAGES: frozenset[str] = frozenset()

gc.disable()  # a run is over before collecting could pay; importing would set it off


class Carried:
    """Finder and loader of the modules that this script carries."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Where a module is: here, or (None) for the other finders to say."""
        if name not in MODULES:
            return None
        return ModuleSpec(name, Carried, is_package=name in PACKAGES)  # type: ignore[arg-type]  # a class serves as well

    @staticmethod
    def create_module(spec: ModuleSpec) -> None:
        """Let the interpreter make the module object."""

    @staticmethod
    def exec_module(module: "ModuleType") -> None:
        """Run a module's code."""
        exec(MODULES[module.__name__], module.__dict__)


def start() -> object:
    """Run cni-bridge."""
    sys.meta_path.insert(0, Carried)
    from cni_bridge.__main__ import main

    return main()
