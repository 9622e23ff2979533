"""What build/ has of emulated machines, for tests: build/ holds scripts and is no package."""

import sys

from tests.lab import ROOT

sys.path.insert(0, str(ROOT / "build"))

import emulator
from machine_image import SUITES, Image, image

__all__ = ["SUITES", "Image", "emulator", "image"]
