"""Pull requests and the comments about them on disk: the rows, and every statement that touches them."""

from dataclasses import dataclass

from jarvis.kernel.db import Tx


@dataclass(frozen=True, slots=True)
class Summarised:
    """What became of the summary of a pull request."""

    repo: str
    number: int
    asked: int
    """How many deliveries have asked for it."""
    head_sha: str
    comment_id: int | None
    outcome: str
    reason: str
    changed_at: int


COLUMNS = "repo, number, asked, head_sha, comment_id, outcome, reason, changed_at"


def find(tx: Tx, repo: str, number: int) -> Summarised | None:
    sql = f"SELECT {COLUMNS} FROM github_pulls WHERE repo = :repo AND number = :number"
    return tx.one(Summarised, sql, repo=repo, number=number)


def ask(tx: Tx, repo: str, number: int, head_sha: str) -> int:
    """Note that a summary is asked for; returns how often it has been."""
    asked = tx.one(
        int,
        "INSERT INTO github_pulls (repo, number, asked, head_sha, changed_at) VALUES (:repo, :number, 1, :head, :now)"
        " ON CONFLICT (repo, number) DO UPDATE SET asked = asked + 1, head_sha = :head, changed_at = :now"
        " RETURNING asked",
        repo=repo,
        number=number,
        head=head_sha,
        now=tx.now,
    )
    assert asked is not None
    return asked


def set_outcome(
    tx: Tx, repo: str, number: int, outcome: str, reason: str, head_sha: str, comment_id: int | None
) -> None:
    tx.run(
        "UPDATE github_pulls SET outcome = :outcome, reason = :reason, head_sha = :head,"
        " comment_id = coalesce(:comment, comment_id), changed_at = :now WHERE repo = :repo AND number = :number",
        outcome=outcome,
        reason=reason,
        head=head_sha,
        comment=comment_id,
        now=tx.now,
        repo=repo,
        number=number,
    )


@dataclass(frozen=True, slots=True)
class Question:
    """A comment that asked something, and what became of it."""

    seq: int
    repo: str
    number: int
    kind: str
    """"issue" for the conversation, "review" for one at a line of the diff."""
    comment_id: int
    login: str
    command: str
    state: str
    reason: str
    answer_id: int | None
    asked_at: int


QUESTION = "seq, repo, number, kind, comment_id, login, command, state, reason, answer_id, asked_at"


def find_question(tx: Tx, repo: str, kind: str, comment_id: int) -> Question | None:
    sql = f"SELECT {QUESTION} FROM github_answers WHERE repo = :repo AND kind = :kind AND comment_id = :id"
    return tx.one(Question, sql, repo=repo, kind=kind, id=comment_id)


def insert_question(tx: Tx, repo: str, number: int, kind: str, comment_id: int, login: str, command: str) -> None:
    tx.run(
        "INSERT INTO github_answers (repo, number, kind, comment_id, login, command, state, asked_at)"
        " VALUES (:repo, :number, :kind, :id, :login, :command, 'asked', :now)",
        repo=repo,
        number=number,
        kind=kind,
        id=comment_id,
        login=login,
        command=command,
        now=tx.now,
    )


def settle_question(
    tx: Tx, repo: str, kind: str, comment_id: int, state: str, reason: str, answer_id: int | None
) -> bool:
    """Asked or failed → an end; False when it had come to one before."""
    changed = tx.run(
        "UPDATE github_answers SET state = :state, reason = :reason, answer_id = :answer"
        " WHERE repo = :repo AND kind = :kind AND comment_id = :id AND state IN ('asked', 'failed')",
        state=state,
        reason=reason,
        answer=answer_id,
        repo=repo,
        kind=kind,
        id=comment_id,
    )
    return changed == 1


def asked_since(tx: Tx, login: str, since: int) -> int:
    """How often somebody has asked since an instant."""
    sql = "SELECT count(*) FROM github_answers WHERE login = :login AND asked_at >= :since"
    return tx.one(int, sql, login=login, since=since) or 0


def is_answer(tx: Tx, comment_id: int) -> bool:
    """Whether a comment is one of our answers."""
    return tx.one(int, "SELECT 1 FROM github_answers WHERE answer_id = :id LIMIT 1", id=comment_id) == 1


def forget_questions(tx: Tx, before: int, at_most: int) -> None:
    """Forget some of what was asked long ago, the oldest first."""
    tx.run(
        "DELETE FROM github_answers WHERE asked_at < :before"
        " AND seq IN (SELECT seq FROM github_answers ORDER BY seq LIMIT :most)",
        before=before,
        most=at_most,
    )
