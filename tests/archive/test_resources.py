"""Resources read the same from a checkout and from an archive, and lead nowhere else."""

import os
from pathlib import Path

import pytest

from jarvis.archive import launch, resources
from jarvis.archive.container import Archive
from jarvis.archive.writer import ZipWriter

FILES = {
    "templates/bugs/index.html": b"<h1>\xc3\xa9</h1>",
    "static/css/base.css": b"a{}",
    "jarvis/bugs/migrations/0002_bugs.sql": b"CREATE TABLE b(x) STRICT;",
    "jarvis/users/migrations/0001_users.sql": b"CREATE TABLE a(x) STRICT;",
    "jarvis/bugs/store.py": b"",
    "secret.txt": b"not for you",
}


@pytest.fixture(params=["checkout", "archive"])
def place(request, tmp_path, monkeypatch):
    """Jarvis in either form, holding FILES; adds more with the function it gives."""
    fds = []

    def lay(files: dict[str, bytes]) -> None:
        if request.param == "checkout":
            for name, data in files.items():
                (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / name).write_bytes(data)
            monkeypatch.setattr(resources, "_checkout", lambda: str(tmp_path))
        else:
            writer, source = ZipWriter(), ZipWriter()
            for name, data in files.items():
                writer.add("lib/" + name, data)
                source.add(name, data)
            writer.add("BUILD.json", b'{"executables": []}')
            writer.add_nested("src.zip", source.finish())
            path = tmp_path / "jarvis.pyz"
            path.write_bytes(writer.finish())
            fds.append(os.open(path, os.O_RDONLY))
            held = Archive(fds[-1], str(path))
            monkeypatch.setattr(resources, "archive", lambda: held)

    lay(FILES)
    yield lay
    for fd in fds:
        os.close(fd)


def test_files_are_read_by_their_path(place):
    assert resources.read_bytes("static/css/base.css") == b"a{}"
    assert resources.read_text("templates/bugs/index.html") == "<h1>é</h1>"


def test_names_lists_a_folder(place):
    assert resources.names("templates/") == ["templates/bugs/index.html"]
    assert resources.names("static/js/") == []


def test_migrations_come_in_order(place):
    assert [(number, name) for number, name, _ in resources.migrations()] == [(1, "users"), (2, "bugs")]


def test_a_migration_number_used_twice_is_an_error(place):
    place({**FILES, "jarvis/chat/migrations/0002_chat.sql": b""})
    with pytest.raises(ValueError, match="two migrations are number 0002"):
        resources.migrations()


def test_the_source_tree_is_there(place):
    assert dict(resources.source_files())["secret.txt"] == b"not for you"
    assert resources.source_executables() == frozenset()


@pytest.mark.parametrize(
    "path",
    [
        "",
        "templates",
        "templates/",
        "templates/none.html",
        "templates/bugs",
        "secret.txt",
        "/etc/passwd",
        "../secret.txt",
        "templates/../secret.txt",
        "templates/./bugs/index.html",
        "templates//bugs/index.html",
        "templates\\bugs\\index.html",
        "templates/..\\..\\secret.txt",
        "static/css/base.css\0.png",
        "static/css/base.css/",
        "static/%2e%2e/secret.txt",
    ],
)
def test_any_other_path_is_not_found(place, path):
    with pytest.raises(FileNotFoundError):
        resources.read_bytes(path)


def test_a_link_out_of_the_checkout_is_not_followed(tmp_path, monkeypatch):
    (tmp_path / "tree" / "static").mkdir(parents=True)
    (tmp_path / "outside.txt").write_text("secret")
    (tmp_path / "tree" / "static" / "link.txt").symlink_to(tmp_path / "outside.txt")
    monkeypatch.setattr(resources, "_checkout", lambda: str(tmp_path / "tree"))
    with pytest.raises(FileNotFoundError):
        resources.read_bytes("static/link.txt")


def test_a_checkout_is_no_archive():
    assert launch.archive() is None


def test_the_real_tree_is_the_checkouts():
    assert Path(resources._checkout(), "pyproject.toml").is_file()
