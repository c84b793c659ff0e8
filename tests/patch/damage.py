"""Damages patches systematically: what mail programs, editors, models and enemies do to them."""

import random
import re
from collections.abc import Callable

Lines = list[bytes]
Harm = Callable[[random.Random, bytes], bytes]


def _split(patch: bytes) -> Lines:
    return [line + b"\n" for line in patch.split(b"\n")[:-1]]


def by_lines(change: Callable[[random.Random, Lines], None]) -> Harm:
    def harm(random: random.Random, patch: bytes) -> bytes:
        found = _split(patch)
        if found:
            change(random, found)
        return b"".join(found)

    harm.__name__ = change.__name__
    return harm


def _at(random: random.Random, lines: Lines, pattern: bytes) -> int:
    """A line that matches; any line when none does."""
    found = [n for n, line in enumerate(lines) if re.match(pattern, line)]
    return random.choice(found) if found else random.randrange(len(lines))


def drop_a_line(random: random.Random, lines: Lines) -> None:
    del lines[random.randrange(len(lines))]


def drop_a_header_line(random: random.Random, lines: Lines) -> None:
    del lines[
        _at(random, lines, rb"(diff|index|---|\+\+\+|@@|new|old|deleted|rename|copy|similarity|GIT|literal|delta)")
    ]


def double_a_line(random: random.Random, lines: Lines) -> None:
    at = random.randrange(len(lines))
    lines.insert(at, lines[at])


def double_a_header_line(random: random.Random, lines: Lines) -> None:
    at = _at(random, lines, rb"(diff|index|---|\+\+\+|@@|new|old|deleted|rename|copy)")
    lines.insert(at, lines[at])


def swap_lines(random: random.Random, lines: Lines) -> None:
    if len(lines) > 1:
        at = random.randrange(len(lines) - 1)
        lines[at], lines[at + 1] = lines[at + 1], lines[at]


def shift_a_hunk(random: random.Random, lines: Lines) -> None:
    """Other line numbers than the file has."""
    at, by = _at(random, lines, rb"@@ "), random.choice((-30, -7, -2, -1, 1, 2, 5, 50))
    lines[at] = re.sub(rb"([-+])(\d+)", lambda m: m[1] + b"%d" % max(0, int(m[2]) + by), lines[at])


def shift_one_side(random: random.Random, lines: Lines) -> None:
    at, by, side = _at(random, lines, rb"@@ "), random.choice((-9, -1, 1, 3, 40)), random.choice((b"-", b"+"))
    lines[at] = re.sub(re.escape(side) + rb"(\d+)", lambda m: side + b"%d" % max(0, int(m[1]) + by), lines[at], count=1)


def miscount_a_hunk(random: random.Random, lines: Lines) -> None:
    at, by = _at(random, lines, rb"@@ "), random.choice((-2, -1, 1, 2))
    which = random.choice((rb"(-\d+,)(\d+)", rb"(\+\d+,)(\d+)"))
    lines[at] = re.sub(which, lambda m: m[1] + b"%d" % max(0, int(m[2]) + by), lines[at])


def mangle_a_hunk_header(random: random.Random, lines: Lines) -> None:
    at = _at(random, lines, rb"@@ ")
    old, new = random.choice(
        ((b"@@ -", b"@@ "), (b" @@", b""), (b",", b";"), (b" +", b"+"), (b"@@", b"@@@"), (b"-", b"--"))
    )
    lines[at] = lines[at].replace(old, new, 1)


def change_a_context_line(random: random.Random, lines: Lines) -> None:
    at = _at(random, lines, rb" ")
    lines[at] = lines[at][:1] + b"changed " + lines[at][1:]


def change_a_removed_line(random: random.Random, lines: Lines) -> None:
    at = _at(random, lines, rb"-(?!-- )")
    lines[at] = lines[at][:-1] + random.choice((b" ", b"\t", b"\r", b"x")) + b"\n"


def change_a_kind(random: random.Random, lines: Lines) -> None:
    at = _at(random, lines, rb"[-+ ]")
    lines[at] = random.choice((b" ", b"+", b"-", b"\\", b"#", b"")) + lines[at][1:]


def strip_blanks_at_ends(random: random.Random, lines: Lines) -> None:
    """As mail programs do; an empty context line loses its blank."""
    lines[:] = [line.rstrip() + b"\n" for line in lines]


def empty_context_line(random: random.Random, lines: Lines) -> None:
    lines[:] = [b"\n" if line == b" \n" else line for line in lines]


def end_all_lines_with_cr(random: random.Random, lines: Lines) -> None:
    lines[:] = [line[:-1] + b"\r\n" for line in lines]


def end_a_header_with_cr(random: random.Random, lines: Lines) -> None:
    at = _at(random, lines, rb"(diff|index|---|\+\+\+|@@|new|old|deleted|rename|copy)")
    lines[at] = lines[at][:-1] + b"\r\n"


def end_names_with_a_stamp(random: random.Random, lines: Lines) -> None:
    stamp = random.choice(
        (
            b"\t2026-12-01 10:00:00.000000000 +0100",
            b"\t2026-12-01 10:00:00",
            b"\t",
            b" ",
            b"\tTue Dec  1 10:00:00 2026",
            b" 2026-12-01 10:00:00 +0100",
            b"\t1970-01-01 00:00:00 +0000",
            b"\t(revision 12)",
            b"  2026-12-01 10:00:00 +01:00",
            b"\t1970-01-01 01:00:00.000000000 +0100",
            b"\t1969-12-31 19:00:00 -0500",
            b" 2026-12-01",
            b"\t26-12-01 10:00:00",
        )
    )
    which = random.choice(((b"--- ",), (b"+++ ",), (b"--- ", b"+++ ")))
    lines[:] = [
        line[:-1] + stamp + b"\n" if line.startswith(which) and b"/dev/null" not in line else line for line in lines
    ]


def forget_git(random: random.Random, lines: Lines) -> None:
    """As from plain diff: no `diff --git`, no `index`."""
    lines[:] = [line for line in lines if not re.match(rb"diff --git|index |similarity|old mode|new mode", line)]


def forget_git_and_modes(random: random.Random, lines: Lines) -> None:
    forget_git(random, lines)
    lines[:] = [line for line in lines if not re.match(rb"(new|deleted) file|rename|copy", line)]


def forget_prefixes(random: random.Random, lines: Lines) -> None:
    lines[:] = [re.sub(rb"^((?:---|\+\+\+) )\"?[ab]/", rb"\1", line) for line in lines]


def name_both_sides_alike(random: random.Random, lines: Lines) -> None:
    """`--- x.orig` and the like."""
    suffix = random.choice((b".orig", b"~", b".bak"))
    lines[:] = [
        line[:-1] + suffix + b"\n" if line.startswith(b"--- ") and b"null" not in line else line for line in lines
    ]


def double_a_slash(random: random.Random, lines: Lines) -> None:
    at = _at(random, lines, rb"(diff|---|\+\+\+|rename|copy)")
    lines[at] = lines[at].replace(b"/", b"//")


def add_a_folder(random: random.Random, lines: Lines) -> None:
    at = _at(random, lines, rb"(diff|---|\+\+\+|rename|copy)")
    lines[at] = re.sub(
        rb"\b([ab]/|from |to )", rb"\1" + random.choice((b"x/", b"../", b"./", b".git/", b"/", b"src/")), lines[at]
    )


def quote_a_name(random: random.Random, lines: Lines) -> None:
    at = _at(random, lines, rb"(---|\+\+\+|rename|copy)")
    match = re.match(rb"(--- |\+\+\+ |(?:rename|copy) (?:from|to) )(.*)\n", lines[at])
    if match:
        broken = random.choice((b"", b"", b"\\", b"\\x", b"\\777"))
        lines[at] = match[1] + b'"' + match[2] + broken + random.choice((b'"', b'"', b"", b'" ')) + b"\n"


def rename_one_side(random: random.Random, lines: Lines) -> None:
    at = _at(random, lines, rb"(diff|---|\+\+\+|rename|copy)")
    lines[at] = lines[at][:-1] + b"x\n"


def swap_null_device(random: random.Random, lines: Lines) -> None:
    at = _at(random, lines, rb"(---|\+\+\+) ")
    lines[at] = lines[at][:4] + b"/dev/null" + random.choice((b"\n", b"\t\n", b"x\n", b" \n", b"\r\n"))


def change_a_mode(random: random.Random, lines: Lines) -> None:
    at = _at(random, lines, rb"(old mode|new mode|new file|deleted file|index .* \d{6})")
    mode = random.choice((b"100644", b"100755", b"120000", b"160000", b"644", b"10064x", b"", b"100664"))
    lines[at] = re.sub(rb"\d{6}(?=\r?\n)", mode, lines[at])


def add_a_header(random: random.Random, lines: Lines) -> None:
    at = _at(random, lines, rb"(index|---|\+\+\+|similarity|new|old)")
    lines.insert(
        at,
        random.choice(
            (
                b"new file mode 100644\n",
                b"deleted file mode 100644\n",
                b"rename from x\n",
                b"rename to x\n",
                b"copy from x\n",
                b"copy to zz\n",
                b"old mode 100644\n",
                b"new mode 100755\n",
                b"similarity index 100%\n",
                b"unknown header\n",
                b"index 0123456..89abcde 100644\n",
                b"dissimilarity index 5%\n",
            )
        ),
    )


def mark_unfinished(random: random.Random, lines: Lines) -> None:
    at = _at(random, lines, rb"[-+ ]")
    mark = random.choice(
        (b"\\ No newline at end of file\n", b"\\ Kein Zeilenumbruch\n", b"\\ No\n", b"\\No newline at end\n")
    )
    lines.insert(at + 1, mark)


def unmark_unfinished(random: random.Random, lines: Lines) -> None:
    del lines[_at(random, lines, rb"\\")]


def insert_text(random: random.Random, lines: Lines) -> None:
    at = _at(random, lines, rb"diff ") if random.random() < 0.7 else random.randrange(len(lines))
    lines.insert(
        at,
        random.choice(
            (b"hello there\n", b"\n", b"-- \n", b"short\n", b"Index: x\n", b"====\n", b"--- not\n", b" x\n", b"+y\n")
        ),
    )


def add_a_tail(random: random.Random, lines: Lines) -> None:
    lines += random.choice(
        (
            [b"-- \n", b"2.39.5\n", b"\n"],
            [b"--- a/x\n", b"+++ b/x\n", b"@@ bad\n"],
            [b"diff --git a/x b/x\n"],
            [b"\n"] * 3,
            [b"@@ -1 +1 @@\n", b"-a\n", b"+b\n"],
            [b"--- a/x\n", b"+++ b/x\n"],
            [b"diff --git a/x b/x\n", b"index 12..34\n"],
            [b"+more\n"],
        )
    )


def damage_an_id(random: random.Random, lines: Lines) -> None:
    at = _at(random, lines, rb"index ")
    lines[at] = random.choice(
        (
            lines[at].replace(b"..", b"."),
            re.sub(rb"[0-9a-f](?=\.\.)", b"0", lines[at]),
            lines[at].upper(),
            lines[at].replace(b"a", b"b"),
            re.sub(rb"index (.{7})[0-9a-f]*", rb"index \1", lines[at]),
            re.sub(rb"\.\.[0-9a-f]+", b".." + b"0" * 40, lines[at]),
        )
    )


def damage_binary_data(random: random.Random, lines: Lines) -> None:
    at = _at(random, lines, rb"([A-Za-z][0-9A-Za-z!#$%&()*+;<=>?@^_`{|}~-]{5,}|literal|delta)")
    if lines[at].startswith((b"literal", b"delta")):
        lines[at] = re.sub(rb"\d+", lambda m: b"%d" % (int(m[0]) + random.choice((-1, 1, 10))), lines[at])
    else:
        place = random.randrange(len(lines[at]))
        lines[at] = lines[at][:place] + random.choice((b"A", b"z", b"0", b" ", b"")) + lines[at][place + 1 :]


def sections(patch: bytes) -> list[bytes]:
    """Each `diff --git` with what follows it."""
    return [part for part in re.split(rb"^(?=diff --git )", patch, flags=re.MULTILINE) if part]


def double_a_section(random: random.Random, patch: bytes) -> bytes:
    parts = sections(patch)
    parts.insert(random.randrange(len(parts) + 1), random.choice(parts))
    return b"".join(parts)


def mix_sections(random: random.Random, patch: bytes) -> bytes:
    parts = sections(patch)
    random.shuffle(parts)
    return b"".join(parts)


def drop_a_section(random: random.Random, patch: bytes) -> bytes:
    parts = sections(patch)
    del parts[random.randrange(len(parts))]
    return b"".join(parts)


def cut_off(random: random.Random, patch: bytes) -> bytes:
    return patch[: random.randrange(len(patch) + 1)]


def cut_off_a_line(random: random.Random, patch: bytes) -> bytes:
    parts = _split(patch)
    return b"".join(parts[: random.randrange(len(parts) + 1)])


def cut_off_the_last_newline(random: random.Random, patch: bytes) -> bytes:
    return patch[:-1]


def flip_a_byte(random: random.Random, patch: bytes) -> bytes:
    at = random.randrange(len(patch))
    return patch[:at] + bytes([random.randrange(1, 256)]) + patch[at + 1 :]


HARMS: tuple[Harm, ...] = (
    *map(
        by_lines,
        (
            drop_a_line,
            drop_a_header_line,
            double_a_line,
            double_a_header_line,
            swap_lines,
            shift_a_hunk,
            shift_one_side,
            miscount_a_hunk,
            mangle_a_hunk_header,
            change_a_context_line,
            change_a_removed_line,
            change_a_kind,
            strip_blanks_at_ends,
            empty_context_line,
            end_all_lines_with_cr,
            end_a_header_with_cr,
            end_names_with_a_stamp,
            forget_git,
            forget_git_and_modes,
            forget_prefixes,
            name_both_sides_alike,
            double_a_slash,
            add_a_folder,
            quote_a_name,
            rename_one_side,
            swap_null_device,
            change_a_mode,
            add_a_header,
            mark_unfinished,
            unmark_unfinished,
            insert_text,
            add_a_tail,
            damage_an_id,
            damage_binary_data,
        ),
    ),
    double_a_section,
    mix_sections,
    drop_a_section,
    cut_off,
    cut_off_a_line,
    cut_off_the_last_newline,
    flip_a_byte,
)


def damaged(random: random.Random, patch: bytes) -> tuple[bytes, str]:
    """A patch after one to three harms, and their names."""
    names = []
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        harm = random.choice(HARMS)
        if patch:
            patch = harm(random, patch)
            names.append(harm.__name__)
    return patch, " + ".join(names)
