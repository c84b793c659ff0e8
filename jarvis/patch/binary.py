"""Reads binary hunks: base 85, zlib and git's deltas, each within a size that is known before."""

import re
import zlib
from dataclasses import dataclass

from jarvis.patch.refusal import Limits, PatchRefused, Why

ALPHABET = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"
DIGITS = {byte: value for value, byte in enumerate(ALPHABET)}
LEADS = {byte: n + 1 for n, byte in enumerate(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")}
BEGIN = b"GIT binary patch\n"
KIND = re.compile(rb"(literal|delta) [ \t]*(\d{0,15})")
SHORTEST_LINE = 7
SHORTEST_DELTA = 4


@dataclass(frozen=True, slots=True)
class BinaryHunk:
    """Inflated data: the file itself, or a delta from what was there."""

    line: int
    is_delta: bool
    data: bytes


@dataclass(slots=True)
class Budget:
    """How many inflated bytes the rest of the patch may still bring."""

    left: int


def parse(lines: list[bytes], at: int, limits: Limits, budget: Budget) -> tuple[BinaryHunk, int]:
    """The forward hunk behind `GIT binary patch` and the line after both hunks. Raises PatchRefused."""
    forward, at = _hunk(lines, at, limits, budget)
    if forward is None:
        raise PatchRefused("this binary patch is neither literal nor delta", at + 1)
    _, at = _hunk(lines, at, limits, budget)  # to take it back; it need not be there, but it must be sound
    return forward, at


def _hunk(lines: list[bytes], at: int, limits: Limits, budget: Budget) -> tuple[BinaryHunk | None, int]:
    head = KIND.match(lines[at]) if at < len(lines) else None
    if head is None:
        return None, at
    size, first = int(head[2] or 0), at
    if size > min(limits.binary_bytes, budget.left):
        raise PatchRefused(f"binary data of {size} bytes is more than is taken", at + 1, why=Why.LIMIT)
    budget.left -= size
    packed = bytearray()
    at += 1
    while True:
        line = lines[at] if at < len(lines) else b""
        at += 1
        if len(line) == 1 and line == b"\n":
            break
        packed += _decode(line, at)
    return BinaryHunk(first + 1, head[1] == b"delta", _inflate(bytes(packed), size, first + 1)), at


def _decode(line: bytes, number: int) -> bytes:
    """One line of base 85: a letter for the length, then five digits for each four bytes."""
    length = len(line)
    if length < SHORTEST_LINE or (length - 2) % 5 or line[-1:] != b"\n":
        raise PatchRefused("this line of binary data is damaged", number)
    most = (length - 2) // 5 * 4
    size = LEADS.get(line[0], 0)
    if not most - 4 < size <= most:
        raise PatchRefused("this line of binary data has another length than it says", number)
    out = bytearray()
    try:
        for start in range(1, length - 1, 5):
            value = 0
            for byte in line[start : start + 5]:
                value = value * 85 + DIGITS[byte]
            out += value.to_bytes(4, "big")
    except (KeyError, OverflowError):
        raise PatchRefused("this line of binary data is damaged", number) from None
    return bytes(out[:size])


def _inflate(packed: bytes, size: int, number: int) -> bytes:
    """Exactly `size` bytes and no more are ever made of it."""
    inflater = zlib.decompressobj()
    try:
        data = inflater.decompress(packed, size + 1)
    except zlib.error:
        raise PatchRefused("this binary data does not inflate", number) from None
    if len(data) != size or not inflater.eof:
        raise PatchRefused(f"this binary data is not the {size} bytes it says", number)
    return data


def apply_delta(source: bytes, delta: bytes, limits: Limits, number: int) -> bytes:
    """The target of one of git's deltas; raises PatchRefused."""
    try:
        source_size, at = _size(delta, 0)
        target_size, at = _size(delta, at)
    except IndexError:
        raise PatchRefused("this delta ends too early", number) from None
    if target_size > limits.file_bytes:
        raise PatchRefused(f"a file of {target_size} bytes is more than is taken", number, why=Why.LIMIT)
    if len(delta) < SHORTEST_DELTA:
        raise PatchRefused("this delta ends too early", number)
    if source_size != len(source):
        raise PatchRefused("this delta is for another file", number, why=Why.MISMATCH)
    target = bytearray()
    try:
        while at < len(delta):
            piece, at = _step(source, delta, at)
            if not piece or len(target) + len(piece) > target_size:
                raise PatchRefused("this delta is damaged", number)
            target += piece
    except IndexError:
        raise PatchRefused("this delta ends too early", number) from None
    if len(target) != target_size:
        raise PatchRefused("this delta makes another size than it says", number)
    return bytes(target)


def _step(source: bytes, delta: bytes, at: int) -> tuple[bytes, int]:
    """What one instruction adds, and where the next one stands; raises IndexError at the end of the delta."""
    code = delta[at]
    at += 1
    if not code & 0x80:
        piece = delta[at : at + code]
        return (piece if len(piece) == code else b""), at + code
    offset = size = 0
    for bit in range(4):
        if code & 1 << bit:
            offset |= delta[at] << 8 * bit
            at += 1
    for bit in range(3):
        if code & 0x10 << bit:
            size |= delta[at] << 8 * bit
            at += 1
    size = size or 0x10000
    piece = source[offset : offset + size]
    return (piece if len(piece) == size else b""), at


def _size(delta: bytes, at: int) -> tuple[int, int]:
    size = shift = 0
    while True:
        byte = delta[at]
        at += 1
        size |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80 or shift > 63:
            return size, at
