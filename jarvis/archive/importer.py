"""Imports modules from the open archive: bytecode of this minor first, then source."""

from __future__ import annotations

import marshal
import sys
from importlib.machinery import ModuleSpec
from importlib.util import MAGIC_NUMBER
from types import CodeType, ModuleType

from jarvis.archive.container import Archive, Damaged
from jarvis.archive.hosts import host_tag

TYPE_CHECKING = False  # typing itself would cost a third of a start
if TYPE_CHECKING:
    from collections.abc import Sequence

PYC_HEADER_BYTES = 16
SOURCE_ROOT = "jarvis.pyz/lib/"  # in tracebacks; no such file can exist, so none is shown by mistake


class ArchiveImporter:
    """A meta path finder and loader over one archive."""

    def __init__(self, archive: Archive) -> None:
        """Raises Damaged."""
        self.archive = archive
        self.tag = host_tag()
        self._bytecode = _nested(archive, f"pyc/{sys.implementation.cache_tag}.zip")
        self._natives = _nested(archive, f"native/{self.tag}.zip")

    def top_levels(self) -> frozenset[str]:
        """The names of every package and module at the top of lib/."""
        tops = {name.split("/", 2)[1] for name in self.archive.names() if name.startswith("lib/")}
        return frozenset(top.removesuffix(".py") for top in tops)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if self._natives is not None and fullname in self._natives:
            return self._native_spec(fullname)
        entry = self._entry(fullname)
        if entry is None:
            return None
        package = entry.endswith("/__init__.py")
        spec = _spec(fullname, self, f"{self.archive.path}/lib/{entry}", is_package=package)
        spec.has_location = True
        if package:
            spec.submodule_search_locations = [self._folder(fullname)]
        return spec

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        exec(self.get_code(module.__name__), module.__dict__)  # noqa: S102  what a loader is for

    def get_code(self, fullname: str) -> CodeType:
        """Raises ImportError, Damaged."""
        entry = self._known(fullname)
        compiled = entry + "c"
        if self._bytecode is not None and compiled in self._bytecode:
            raw = self._bytecode.read(compiled)
            if raw[:4] == MAGIC_NUMBER:
                return _unmarshal(raw, self._bytecode.path, compiled)
        source = self.archive.read("lib/" + entry)
        return compile(source, SOURCE_ROOT + entry, "exec", dont_inherit=True)

    def get_source(self, fullname: str) -> str | None:
        """For tracebacks; None where there is no source, such as a compiled library."""
        entry = self._entry(fullname)
        return None if entry is None else self.archive.read("lib/" + entry).decode()

    def get_data(self, path: str) -> bytes:
        """A file beside a module, by a path made from `__file__`; raises OSError."""
        root = f"{self.archive.path}/"
        if not path.startswith(root):
            raise FileNotFoundError(2, "not in the archive", path)
        return self.archive.read(path.removeprefix(root))

    def is_package(self, fullname: str) -> bool:
        return self._known(fullname).endswith("/__init__.py")

    def adopt(self, module: ModuleType) -> None:
        """Give a module that was started before this importer what an import would have given it."""
        spec = self.find_spec(module.__name__)
        if spec is None or spec.origin is None:
            raise Damaged(self.archive.path, f"{module.__name__} is missing")
        module.__spec__, module.__loader__, module.__file__ = spec, spec.loader, spec.origin
        module.__package__ = spec.parent
        if spec.submodule_search_locations is not None:
            module.__path__ = spec.submodule_search_locations

    def _entry(self, fullname: str) -> str | None:
        stem = fullname.replace(".", "/")
        for entry in (f"{stem}/__init__.py", f"{stem}.py"):
            if "lib/" + entry in self.archive:
                return entry
        return None

    def _known(self, fullname: str) -> str:
        entry = self._entry(fullname)
        if entry is None:
            raise ImportError(f"no module named {fullname!r} in {self.archive.path}", name=fullname)
        return entry

    def _folder(self, fullname: str) -> str:
        return f"{self.archive.path}/lib/{fullname.replace('.', '/')}"

    def _native_spec(self, fullname: str) -> ModuleSpec:
        from jarvis.archive.native import Library, NativeLoader  # only who opens the database pays

        loader = NativeLoader(Library(self.archive, self.tag, fullname))
        spec = _spec(fullname, loader, self._folder(fullname) + ".so")
        inside = f"lib/{fullname.replace('.', '/')}/"
        if any(name.startswith(inside) for name in self.archive.names()):
            spec.submodule_search_locations = [self._folder(fullname)]
        return spec


def _unmarshal(raw: bytes, path: str, entry: str) -> CodeType:
    code = marshal.loads(memoryview(raw)[PYC_HEADER_BYTES:])  # noqa: S302  passed its checksum
    if not isinstance(code, CodeType):
        raise Damaged(path, f"{entry} holds no code")
    return code


def _nested(archive: Archive, name: str) -> Archive | None:
    return archive.nested(name) if name in archive else None


def _spec(name: str, loader: object, origin: str, *, is_package: bool = False) -> ModuleSpec:
    """The class for loaders is not needed to be one, and importing it costs."""
    return ModuleSpec(name, loader, origin=origin, is_package=is_package)  # type: ignore[arg-type]
