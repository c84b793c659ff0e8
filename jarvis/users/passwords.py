"""Passwords at rest: scrypt (RFC 7914) with a salt each; checks take the same time for nobody."""

import hashlib
import hmac
import os
import threading

N, R, P = 1 << 15, 8, 1  # 32 MB and about 0.1 s: OWASP's advice for scrypt, one at a time per core
MEMORY = 64 * 1024 * 1024
SHORTEST, LONGEST = 8, 1024

_slots = threading.Semaphore(2)  # eight at once would need 256 MB and starve everything else


def digest(password: str) -> str:
    """A salted hash to keep: "scrypt$n$r$p$salt$key", in hexadecimal."""
    salt = os.urandom(16)
    return f"scrypt${N}${R}${P}${salt.hex()}${_scrypt(password, salt, N, R, P).hex()}"


def matches(password: str, kept: str | None) -> bool:
    """Whether a password is the one kept. Without one kept, it works as long and says no."""
    name, n, r, p, salt, key = (kept or _nobodys()).split("$")
    assert name == "scrypt"
    found = _scrypt(password, bytes.fromhex(salt), int(n), int(r), int(p))
    return hmac.compare_digest(found, bytes.fromhex(key)) and kept is not None


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    with _slots:
        return hashlib.scrypt(
            password.encode("utf-8", "surrogatepass"), salt=salt, n=n, r=r, p=p, maxmem=MEMORY, dklen=32
        )


def _nobodys() -> str:
    return f"scrypt${N}${R}${P}${'00' * 16}${'00' * 32}"
