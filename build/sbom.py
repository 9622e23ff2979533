"""What the executable carries, as a CycloneDX bill of materials: each part, version and license.

Read from what was built, not from what was asked for: the bundle's packages and libraries.
"""

import importlib.metadata
import platform
import subprocess
import uuid
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from zipfile import ZipFile

import launcher
from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

import cni_bridge

BUNDLE = "_internal"


def write(built: Path, target: Path, made: datetime) -> None:
    """Write the bill of `built`, a onedir build, as JSON."""
    bundle = built / BUNDLE
    archives = (f"lib{library}.a" for library in launcher.LINKED_IN)
    parts = [_interpreter(), *_distributions(bundle), *libraries(bundle), *_of_debian(archives)]
    bom = Bom(components=parts, serial_number=_serial(parts))
    bom.metadata.timestamp = made
    bom.metadata.component = whole = Component(
        name="cni-bridge",
        version=cni_bridge.__version__,
        type=ComponentType.APPLICATION,
        bom_ref="cni-bridge",
        licenses=[LicenseFactory().make_from_string("Apache-2.0")],
    )
    bom.register_dependency(whole, parts)
    text = make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=2)
    target.write_text(text + "\n")


def libraries(bundle: Path) -> Iterator[Component]:
    """Return the shared libraries, as the packages of the system that they were built on."""
    return _of_debian(path.name for path in bundle.glob("lib*.so*"))


def _of_debian(files: Iterable[str]) -> Iterator[Component]:
    packages = {_owner(name) for name in files}
    for package in sorted(packages):
        version = _run("dpkg-query", "--show", "--showformat=${Version}", package)
        yield _component(package.partition(":")[0], version, None, "deb", "debian")


def _interpreter() -> Component:
    return _component("cpython", platform.python_version(), "PSF-2.0", "generic")


def _distributions(bundle: Path) -> Iterator[Component]:
    """Yield the Python packages except cni-bridge."""
    with ZipFile(bundle / "people.zip") as people:
        carried = {name.partition("/")[0].removesuffix(".pyc") for name in people.namelist()}
    carried |= {path.name for path in bundle.iterdir() if path.is_dir()}
    owners = importlib.metadata.packages_distributions()
    names = {owner for package in carried for owner in owners.get(package, ())}
    for name in sorted(names - {"cni-bridge"}):
        about = importlib.metadata.metadata(name).json
        license_name = str(about.get("license_expression") or about.get("license", "NOASSERTION"))
        yield _component(name, str(about["version"]), license_name, "pypi")


def _owner(library: str) -> str:
    """Return the installed package that brought a shared library, with its architecture."""
    return _run("dpkg-query", "--search", f"*/{library}").splitlines()[0].rpartition(": ")[0]


def _component(
    name: str, version: str, license_name: str | None, kind: str, namespace: str | None = None
) -> Component:
    url = PackageURL(kind, namespace, name, version)
    licenses = [LicenseFactory().make_from_string(license_name)] if license_name else []
    return Component(
        name=name,
        version=version,
        type=ComponentType.LIBRARY,
        bom_ref=url.to_string(),
        purl=url,
        licenses=licenses,
    )


def _serial(parts: list[Component]) -> uuid.UUID:
    """Equal for equal bundles."""
    return uuid.uuid5(uuid.NAMESPACE_URL, "\n".join(str(part.purl) for part in parts))


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
