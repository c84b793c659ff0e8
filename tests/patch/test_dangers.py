"""What is refused whatever git says, as the attacks it is meant for."""

import base64
import hashlib
import random
import resource
import time
import zlib

import pytest

from jarvis.patch import dangers
from jarvis.patch.placement import Image
from jarvis.patch.refusal import Limits, Why
from tests.patch.trees import EXECUTABLE, LINK, SUBMODULE, refusal, result, run

NAMES = (
    "../out",
    "a/../../out",
    "/etc/cron.d/x",
    "./x",
    "a/./b",
    ".git/hooks/post-commit",
    ".GIT/config",
    "a/.Git/x",
    "sub/.git",
    "git~1/config",
    "GIT~2/x",
    ".git./x",
    ".git /x",
    ".git. /config",
    ".git::$INDEX_ALLOCATION/config",
    "x:stream",
    "a\\b",
    "..\\x",
    ".g\u200cit/config",
    "\ufeff.git/config",
    ".gi\u200dt/x",
    "．git/x",
    "a\u202egpj.exe",
    "a\u0007b",
    "a\u009bb",
    "trailing.",
    "trailing ",
    "a./b",
)


def quoted(name: str) -> str:
    """As git quotes names, so that any byte can be said."""
    return '"' + "".join(chr(b) if 32 < b < 127 and b not in b'"\\' else f"\\{b:03o}" for b in name.encode()) + '"'


def create(name: str, content: str = "+x\n", mode: int = 0o100644) -> str:
    head = f"diff --git {quoted('a/' + name)} {quoted('b/' + name)}\nnew file mode {mode:o}\n--- /dev/null\n"
    return head + f"+++ {quoted('b/' + name)}\n@@ -0,0 +1 @@\n{content}"


@pytest.mark.parametrize("name", NAMES)
def test_a_dangerous_name_is_refused(name: str) -> None:
    assert refusal({"song": b"x\n"}, create(name))[0] is Why.DANGER
    rename = f"diff --git a/song b/song\nsimilarity index 100%\nrename from song\nrename to {quoted(name)}\n"
    assert refusal({"song": b"x\n"}, rename)[0] is Why.DANGER
    copy = rename.replace("rename ", "copy ")
    assert refusal({"song": b"x\n"}, copy)[0] is Why.DANGER
    plain = f"--- /dev/null\n+++ {quoted('b/' + name)}\n@@ -0,0 +1 @@\n+x\n"
    assert refusal({"song": b"x\n"}, plain)[0] is Why.DANGER


@pytest.mark.parametrize(
    "name",
    ("...", ".gitignore", "git", ".github/x", "a/b..c", "größe/日本.txt", "..a", "a b", "con.py", ".g", "legit~1x"),
)
def test_an_odd_but_harmless_name_is_taken(name: str) -> None:
    if name == "...":  # ends in a dot
        assert refusal({}, create(name))[0] is Why.DANGER
    else:
        assert result({}, create(name)) == {name: b"x\n"}


@pytest.mark.parametrize("name", (".gitmodules", "a/.gitattributes", ".GITMODULES", "gitmod~1", "GI7EBA~1"))
def test_what_git_obeys_is_not_changed(name: str) -> None:
    assert refusal({}, create(name))[0] is Why.DANGER


def test_a_name_that_differs_only_in_case_is_refused() -> None:
    files = {"Makefile": b"x\n", "src/app.py": b"x\n"}
    for name in ("makefile", "MAKEFILE", "SRC/new.py", "src/App.py", "ｍakefile", "Make\u200dfile"):
        assert refusal(files, create(name))[0] is Why.DANGER
    assert refusal({}, create("größe") + create("gro\u0308ße"))[0] is Why.DANGER
    moved = "diff --git a/Makefile b/makefile\nsimilarity index 100%\nrename from Makefile\nrename to makefile\n"
    assert result(files, moved) == {"makefile": b"x\n", "src/app.py": b"x\n"}


NO_END = "\\ No newline at end of file\n"


@pytest.mark.parametrize("target", ("/etc/passwd", "../x", "a/../../x", "", "..", "x\\y", ".git/config", "./../../x"))
def test_a_link_that_leaves_the_tree_is_refused(target: str) -> None:
    patch = create("link", f"+{target}\n{NO_END}", LINK)
    assert refusal({"x": b""}, patch)[0] is Why.DANGER
    files = {"link": (LINK, b"x"), "x": b""}
    head = "diff --git a/link b/link\n--- a/link\n+++ b/link\n@@ -1 +1 @@\n-x\n" + NO_END
    assert refusal(files, f"{head}+{target}\n{NO_END}")[0] is Why.DANGER


def test_a_link_within_the_tree_is_taken_until_it_moves_so_that_it_leaves() -> None:
    assert result({"d/x": b""}, create("d/link", f"+../d/x\n{NO_END}", LINK))["d/link"] == (LINK, b"../d/x")
    up = "diff --git a/d/link b/link\nsimilarity index 100%\nrename from d/link\nrename to link\n"
    assert refusal({"d/link": (LINK, b"../x"), "x": b""}, up)[0] is Why.DANGER


def test_nothing_is_written_through_a_link() -> None:
    files = {"out": (LINK, b"../../etc"), "d/x": b"x\n"}
    assert refusal(files, create("out/cron"))[0] is Why.DANGER
    assert refusal({"d/x": b"x\n"}, create("new", f"+d\n{NO_END}", LINK) + create("new/y"))[0] is Why.DANGER
    assert refusal({"d/x": b"x\n"}, create("new/y") + create("new", f"+d\n{NO_END}", LINK))[0] is Why.DANGER


def test_a_link_may_become_a_folder_in_one_patch() -> None:
    gone = f"diff --git a/out b/out\ndeleted file mode 120000\n--- a/out\n+++ /dev/null\n@@ -1 +0,0 @@\n-d\n{NO_END}"
    assert result({"out": (LINK, b"d")}, create("out/y") + gone) == {"out/y": b"x\n"}


def test_submodules_are_refused() -> None:
    commit = "1" * 40
    assert refusal({}, create("lib", f"+Subproject commit {commit}\n", SUBMODULE))[0] is Why.DANGER
    lenient = Limits(is_guarded=False)
    assert result({}, create("lib", f"+Subproject commit {commit}\n", SUBMODULE), lenient) == {
        "lib": (SUBMODULE, commit.encode())
    }
    for bad in ("+Subproject commit 12\n", "+hello\n", f"+ Subproject commit {commit}\n"):
        assert refusal({}, create("lib", bad, SUBMODULE), lenient)[0] is Why.MALFORMED


def test_a_link_cannot_be_what_git_reads() -> None:
    lenient = Limits(is_guarded=False)
    for name in (".gitmodules", ".gitignore", ".GitAttributes"):
        assert refusal({}, create(name, f"+x\n{NO_END}", LINK), lenient)[0] is Why.DANGER


def literal(data: bytes, size: int | None = None) -> str:
    """A binary hunk of this data, which says that it inflates to `size`."""
    packed = zlib.compress(data, 9)
    lines = [f"literal {len(data) if size is None else size}"]
    for at in range(0, len(packed), 52):
        piece = packed[at : at + 52]
        lead = chr(64 + len(piece)) if len(piece) < 27 else chr(70 + len(piece))
        padded = piece + b"\0" * (-len(piece) % 4)
        lines.append(lead + base64.b85encode(padded).decode())
    return "\n".join(lines) + "\n\n"


def binary(data: bytes, size: int | None = None, kind: str = "literal") -> str:
    new = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
    head = f"diff --git a/x.bin b/x.bin\nnew file mode 100644\nindex {'0' * 40}..{new}\nGIT binary patch\n"
    return head + literal(data, size).replace("literal", kind, 1)


def test_binary_data_comes_in() -> None:
    data = bytes(range(256)) * 9
    assert result({}, binary(data)) == {"x.bin": data}


def test_a_zlib_bomb_is_not_inflated() -> None:
    bomb = bytes(24 * 1024 * 1024)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    packed = binary(bomb)
    low = packed.replace(f"literal {len(bomb)}", "literal 100")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert refusal({}, packed)[0] is Why.LIMIT  # says how large it is
    assert refusal({}, low)[0] is Why.MALFORMED  # says less
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - max(before, peak) < 8 * 1024  # KiB
    several = "".join(binary(bytes(5 * 1024 * 1024)).replace("x.bin", f"{n}.bin") for n in range(3))
    assert refusal({}, several)[0] is Why.LIMIT


def number(value: int) -> bytes:
    out = bytearray()
    while True:
        out.append(value & 0x7F | (0x80 if value > 0x7F else 0))
        value >>= 7
        if not value:
            return bytes(out)


def delta_patch(source: bytes, delta: bytes) -> str:
    old = hashlib.sha1(b"blob %d\0" % len(source) + source).hexdigest()
    head = f"diff --git a/x b/x\nindex {old}..{'1' * 40} 100644\nGIT binary patch\n"
    return head + literal(delta).replace("literal", "delta", 1)


@pytest.mark.parametrize(
    ("delta", "why"),
    (
        (number(64) + number(2**40) + b"\xb0\xff\xff" * 9, Why.LIMIT),
        (number(64) + number(1000) + b"\xb0\xff\xff" * 9, Why.MALFORMED),
        (number(63) + number(10) + b"\x90\x0a", Why.MISMATCH),
        (number(64) + number(10) + b"\x91\x3c\x0a", Why.MALFORMED),
        (number(64) + number(10) + b"\x00\x00", Why.MALFORMED),
        (number(64) + number(10) + b"\x7fabc", Why.MALFORMED),
        (number(64) + number(10) + b"\xff", Why.MALFORMED),
        (number(64) + number(10) + b"\x90\x05", Why.MALFORMED),
        (b"\xff" * 12, Why.MALFORMED),
        (b"\xff", Why.MALFORMED),
    ),
)
def test_a_bad_delta_is_refused(delta: bytes, why: Why) -> None:
    source = bytes(range(64))
    assert refusal({"x": source}, delta_patch(source, delta))[0] is why


def test_a_delta_may_not_grow_beyond_the_limit() -> None:
    """65,536 bytes of target for three of delta: 8 MiB from four hundred."""
    source = bytes(65536)
    delta = number(65536) + number(65536 * 400) + b"\x80" * 400
    assert refusal({"x": source}, delta_patch(source, delta))[0] is Why.LIMIT


def cpu_of(patch: str, files: dict[str, bytes]) -> float:
    """CPU seconds of one verdict."""
    began = time.process_time()
    run(files, patch) if files.get("fits") else refusal(files, patch)
    return time.process_time() - began


def test_a_long_hunk_that_fits_nowhere_is_not_sought_quadratically() -> None:
    """5,000 lines in a file of 200 kB: a naive search compares a hundred million lines."""
    body = b"x\n" * 100_000
    hunk = "@@ -40000,5001 +40000,5001 @@\n" + " x\n" * 2500 + "-y\n+z\n" + " x\n" * 2500
    patch = "diff --git a/song b/song\n--- a/song\n+++ b/song\n" + hunk
    assert cpu_of(patch, {"song": body}) < 1.5
    assert cpu_of(patch, {"song": body + b"y\n" + body[:4000]}) < 1.5  # y stands there, but not among so many
    periodic = (b"x\n" * 50 + b"y\n") * 2000
    assert cpu_of(patch, {"song": periodic}) < 1.5


def test_many_hunks_that_are_all_far_off_stay_cheap() -> None:
    chosen = random.Random(5)
    body = [b"%d\n" % chosen.randrange(50) for _ in range(30_000)]
    for n in range(300):
        body[29_000 + n * 3 : 29_000 + n * 3 + 3] = [b"a%d\n" % n, b"b%d\n" % n, b"c%d\n" % n]
    hunks = "".join(f"@@ -{5 + n},3 +{5 + n},3 @@\n a{n}\n-b{n}\n+B{n}\n c{n}\n" for n in range(300))
    files = {"song": b"".join(body), "fits": b"yes"}
    assert cpu_of("diff --git a/song b/song\n--- a/song\n+++ b/song\n" + hunks, files) < 2


@pytest.mark.parametrize(
    "line",
    (
        "--- a/" + " " * 200_000 + "x",
        "+++ " + '"' + "\\" * 100_000,
        "diff --git " + "a " * 100_000,
        "--- a/x\t" + "2026-12-01 " * 20_000,
        "@@ -" + "9" * 100_000 + " +1 @@",
        "index " + "." * 100_000,
    ),
)
def test_a_monstrous_header_is_refused_at_once(line: str) -> None:
    head = "diff --git a/x b/x\n" if not line.startswith("diff") else ""
    assert cpu_of(f"{head}{line}\n+++ b/x\n@@ -1 +1 @@\n-x\n+y\n" * 3, {"x": b"x\n"}) < 0.5


@pytest.mark.parametrize(
    ("limits", "patch"),
    (
        (Limits(patch_bytes=50), create("x")),
        (Limits(files=2), create("x") + create("y") + create("z")),
        (Limits(hunks=0), create("x")),
        (Limits(path_bytes=10), create("a" * 11)),
        (Limits(path_parts=3), create("a/b/c/d")),
        (Limits(file_bytes=1), create("x")),
        (Limits(total_bytes=3), create("x") + create("y")),
        (Limits(binary_bytes=9), binary(b"0123456789")),
    ),
)
def test_what_is_beyond_a_limit_is_refused(limits: Limits, patch: str) -> None:
    assert refusal({}, patch, limits)[0] in (Why.LIMIT, Why.DANGER)


def test_the_approver_is_told_where_to_look() -> None:
    assert dangers.flags(".ci/build.yml", 0, 0o100644) == ("CI",)
    assert dangers.flags("jarvis/policy/actions.py", 0o100644, 0o100644) == ("policy",)
    assert dangers.flags("jarvis/selfupdate/migrations/0021_x.sql", 0, 0o100644) == ("updater", "database")
    assert dangers.flags("tests/conftest.py", 0o100644, 0o100644) == ("hooks", "tests")
    assert dangers.flags("docs/x.md", 0o100644, EXECUTABLE) == ("new executable", "mode")
    assert dangers.flags("docs/policy.md", 0o100644, 0o100644) == ()


def test_lines_written_are_barred_whatever_stands_in_them() -> None:
    """The mark for what a hunk wrote cannot be forged by a line of the file."""
    image = Image(b"\0\n" * 4)
    assert image._code() == "\1" * 4
