"""What a compiled library must fit: the interpreter's ABI, the C library and the processor."""

import os
import sys

RELEASE_MINORS = (11, 12, 13, 14)
RELEASE_MACHINES = ("x86_64", "aarch64")
RELEASE_TAGS = tuple(f"cp3{minor}-manylinux-{machine}" for minor in RELEASE_MINORS for machine in RELEASE_MACHINES)


def host_tag() -> str:
    """This interpreter's tag, such as cp311-manylinux-x86_64; never fails, whatever the host."""
    return f"{_abi()}-{_platform()}-{_machine()}"


def _abi() -> str:
    letters = {"cpython": "cp", "pypy": "pp"}.get(sys.implementation.name, sys.implementation.name)
    threading = "t" if "t" in getattr(sys, "abiflags", "") else ""
    return f"{letters}{sys.version_info[0]}{sys.version_info[1]}{threading}"


def _platform() -> str:
    if sys.platform == "darwin":
        return "macosx"
    if not sys.platform.startswith("linux"):
        return sys.platform
    try:
        is_glibc = bool(os.confstr("CS_GNU_LIBC_VERSION"))
    except (OSError, ValueError):
        is_glibc = False
    return "manylinux" if is_glibc else "musllinux"


def _machine() -> str:
    machine = os.uname().machine if hasattr(os, "uname") else "unknown"
    if sys.maxsize > 2**32:
        return machine
    return {"x86_64": "i686", "aarch64": "armv7l"}.get(machine, machine)  # 32 bits on a 64-bit kernel
