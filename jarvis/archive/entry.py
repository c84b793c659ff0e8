"""The archive's __main__: says plainly which Pythons cannot run it, answers --version, starts the rest.

Python compiles this file at each start and Pythons as old as 2.7 must parse it, so it is short
and plain. Everything else comes from `boot/`, read through one descriptor and checked.
"""
# ruff: noqa: PTH110, S102, S302, SIM105, UP031, UP036
# What those rules want, old Pythons cannot parse or costs time.
# mypy: allow-untyped-defs, allow-untyped-calls

import sys

RELEASE = "jarvis (not built)"  # the builder writes the version here
PACKAGES = ("jarvis", "jarvis.archive")  # among the modules in boot/


def leave(message, code):
    sys.stderr.write("jarvis: " + message + "\n")
    sys.exit(code)


def hold(path):
    """Open the archive, or take the descriptor this process was started from."""
    import os

    folder, _, number = path.rpartition("/")
    if folder in ("/proc/self/fd", "/dev/fd") and number.isdigit():
        os.set_inheritable(int(number), False)
        return int(number)
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


def modules(importer):
    """The first modules as (name, code) in the order in which they start; None when they are damaged."""
    import marshal
    import zlib
    from importlib.util import MAGIC_NUMBER

    for tag, magic in ((sys.implementation.cache_tag, MAGIC_NUMBER), ("source", b"text")):
        try:
            raw = importer.get_data("%s/boot/%s" % (importer.archive, tag))
        except OSError:
            continue
        except Exception:
            return None
        if zlib.crc32(raw[4:]) != int.from_bytes(raw[:4], "little"):
            return None
        if raw[4:8] == magic:
            return marshal.loads(raw[8:])
    return None


def first_modules(fd, loader):
    import os
    import zipimport

    found = modules(loader)
    held = "/proc/self/fd/%d" % fd
    if found is None and os.path.exists(held):
        # Somebody may have renamed a file into place since Python read this one: ask the descriptor.
        try:
            found = modules(zipimport.zipimporter(held))
        except zipimport.ZipImportError:
            pass
    if found is None:
        leave(loader.archive + " is damaged (its first modules); copy or build it again.", 70)
    return found


def start(loader):
    fd = hold(loader.archive)
    for name, code in first_modules(fd, loader):
        module = sys.modules[name] = type(sys)(name)
        if name in PACKAGES:
            module.__path__ = []
        exec(code if isinstance(code, type(start.__code__)) else compile(code, name, "exec"), module.__dict__)
    return sys.modules["jarvis.archive.launch"].main(fd, loader.archive)


def main():
    if sys.version_info < (3, 11):
        leave(
            "this is Python %d.%d (%s) and Jarvis needs 3.11 or newer; try python3.11 or python3.13."
            % (sys.version_info[0], sys.version_info[1], sys.executable),
            69,
        )
    if sys.argv[1:] == ["--version"]:
        sys.stdout.write(RELEASE + "\n")
        return 0
    return start(globals()["__loader__"])


if __name__ == "__main__":
    sys.exit(main())
