"""Deliveries about pull requests, as GitHub words them."""

from typing import Any

from tests.github.fake import Repo


def pull_event(repo: Repo, number: int, action: str = "opened", **more: Any) -> dict[str, Any]:
    """A `pull_request` delivery about one as it is now."""
    about = {"action": action, "number": number, "pull_request": dict(repo.pulls[number])}
    return (
        about | {"repository": {"id": 1, "full_name": repo.name}, "sender": {"login": "octocat", "type": "User"}} | more
    )


def comment_event(repo: Repo, number: int, comment: dict[str, Any], action: str = "created") -> dict[str, Any]:
    """An `issue_comment` delivery."""
    about = {"action": action, "issue": dict(repo.issues[number - 1]), "comment": dict(comment)}
    return about | {"repository": {"id": 1, "full_name": repo.name}, "sender": comment["user"]}


def review_event(repo: Repo, number: int, comment: dict[str, Any], action: str = "created") -> dict[str, Any]:
    """A `pull_request_review_comment` delivery."""
    about = {"action": action, "pull_request": dict(repo.pulls[number]), "comment": dict(comment)}
    return about | {"repository": {"id": 1, "full_name": repo.name}, "sender": comment["user"]}


def own(repo: Repo, number: int) -> list[dict[str, Any]]:
    """What Jarvis has written under a pull request."""
    return [one for one in repo.comments.get(number, []) if one["user"]["login"] == repo.server.login]


def push(repo: Repo, number: int, sha: str, *files: dict[str, Any]) -> None:
    """Move a pull request's head, with more files."""
    repo.files[number] = [*repo.files[number], *files]
    repo.pulls[number] |= {"head": {"ref": "topic", "sha": sha * 40}, "changed_files": len(repo.files[number])}
