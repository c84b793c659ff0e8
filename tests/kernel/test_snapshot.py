"""A copy of a database in use is whole, private, and never made over something else."""

import threading

import pytest

from jarvis.kernel.db import connect
from jarvis.kernel.snapshot import snapshot


def counted(path):
    connection = connect(path, readonly=True)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return connection.execute("SELECT count(*) FROM pairs a JOIN pairs b ON a.n = -b.n").fetchall()[0][0]
    finally:
        connection.close()


def test_a_copy_made_while_others_write_holds_only_whole_transactions(ctx, tmp_path):
    with ctx.db.write() as tx:
        tx.run("CREATE TABLE pairs (n INTEGER NOT NULL)")
    stop = threading.Event()

    def write():
        number = 0
        while not stop.is_set():
            number += 1
            with ctx.db.write() as tx:
                tx.run("INSERT INTO pairs VALUES (:n)", n=number)
                tx.run("INSERT INTO pairs VALUES (:n)", n=-number)
        ctx.db.close()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for n in range(5):
            snapshot(ctx.db.path, tmp_path / f"{n}.db")
    finally:
        stop.set()
        writer.join()
    found = [counted(tmp_path / f"{n}.db") for n in range(5)]
    assert found == sorted(found)
    assert all(count % 2 == 0 for count in found)
    assert (tmp_path / "0.db").stat().st_mode & 0o777 == 0o600


def test_nothing_is_copied_over_and_no_link_is_followed(ctx, tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("precious")
    (tmp_path / "link").symlink_to(precious)
    for target in (precious, tmp_path / "link"):
        with pytest.raises(FileExistsError):
            snapshot(ctx.db.path, target)
    assert precious.read_text() == "precious"
