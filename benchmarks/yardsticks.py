"""What the figures are held against: the smallest programs that do a comparable thing."""

import sys
import tempfile
import time
from pathlib import Path


def hello() -> None:
    """A bare bottle application on waitress, announced on standard output by its port."""
    import bottle

    app = bottle.Bottle()
    app.route("/", ["GET", "POST"], lambda: "hello")
    _serve(app)


def page() -> None:
    """A bare Jinja page: a base template and a loop over rows, of the size given in bytes."""
    import bottle
    import jinja2

    wanted = int(sys.argv[2])
    environment = jinja2.Environment(autoescape=True)
    row = "<li id='row-{{ row.id }}'><b>{{ row.name }}</b><p>{{ row.text }}</p></li>"
    rows_of = f"{{% for row in rows %}}{row}{{% endfor %}}"
    template = environment.from_string(f"<!doctype html><title>x</title><ul>{rows_of}</ul>")
    text = "x" * max(1, wanted // 50 - 60)
    rows = [{"id": n, "name": f"name {n}", "text": text} for n in range(50)]
    app = bottle.Bottle()
    app.route("/", "GET", lambda: template.render(rows=rows))
    _serve(app)


def _serve(app: object) -> None:
    import logging

    import waitress

    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # a line for each wait would slow it down
    server = waitress.create_server(app, host="127.0.0.1", port=0, threads=8)
    print(server.effective_port, flush=True)
    server.run()


def commits() -> None:
    """Raw apsw commits of one small row at synchronous=FULL in WAL mode, per second."""
    import apsw

    with tempfile.TemporaryDirectory(dir=sys.argv[2]) as folder:
        connection = apsw.Connection(str(Path(folder) / "raw.db"))
        connection.pragma("journal_mode", "wal")
        connection.pragma("synchronous", 2)
        connection.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT) STRICT")
        count, started = 0, time.perf_counter()
        while time.perf_counter() - started < 1.5:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT INTO t (b) VALUES (?)", ("x" * 200,))
            connection.execute("COMMIT")
            count += 1
        print(count / (time.perf_counter() - started), flush=True)


if __name__ == "__main__":
    {"hello": hello, "page": page, "commits": commits}[sys.argv[1]]()
