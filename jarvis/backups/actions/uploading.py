"""What can be done to keep backups elsewhere: encrypt one, put it into a bucket, and remember how that went."""

import ipaddress
from urllib.parse import urlsplit

from jarvis.backups import packing, s3, sealing, store
from jarvis.backups.store import Backup
from jarvis.kernel.clock import SECOND, to_datetime
from jarvis.kernel.config import Settings, may_send
from jarvis.kernel.context import Context
from jarvis.kernel.db import forbid_inside_write
from jarvis.kernel.errors import Conflict, JarvisError, Misconfigured, Unavailable
from jarvis.queue import actions as queue
from jarvis.queue.store import Task
from jarvis.system import store as system

TASK = "jarvis.tasks.backups.upload"
LONGEST_PROBLEM = 300
SECRETS = ("BACKUP_S3_ACCESS_KEY_ID", "BACKUP_S3_SECRET_ACCESS_KEY")
SEALED = ".sealed"


def is_wanted(settings: Settings) -> bool:
    """Whether backups are to be kept elsewhere too."""
    return bool(settings.backup_s3_endpoint or settings.backup_s3_bucket)


def problem(settings: Settings) -> str:
    """Why nothing can be uploaded as it is set; "" when it can."""
    names = ("BACKUP_S3_ENDPOINT", "BACKUP_S3_BUCKET", *SECRETS)
    lacking = [name for name in names if not getattr(settings, name.lower())]
    if lacking:
        return f"Uploads need {' and '.join(lacking)}."
    try:
        parts = urlsplit(settings.backup_s3_endpoint)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port)
    except ValueError:
        is_address = False
    if not is_address or parts.username or parts.query or parts.fragment:
        return "BACKUP_S3_ENDPOINT must be an address such as https://s3.example.org, without a name or a key in it."
    if not s3.BUCKET.fullmatch(settings.backup_s3_bucket):
        return "BACKUP_S3_BUCKET must be a bucket, or a bucket and a folder in it: backups/jarvis."
    for name in SECRETS:
        if not may_send(settings, name, "BACKUP_S3_ENDPOINT"):
            return f"{name} is not used with a BACKUP_S3_ENDPOINT from a less trusted place; set both in one."
    return _plain_problem(settings, parts.scheme, parts.hostname or "")


def _plain_problem(settings: Settings, scheme: str, host: str) -> str:
    if settings.backup_encrypt_command:
        try:
            sealing.command(settings.backup_encrypt_command)
        except Misconfigured as error:
            return str(error)
        return ""
    if not settings.backup_upload_plain:
        return (
            "Backups leave this host encrypted: set BACKUP_ENCRYPT_COMMAND, or BACKUP_UPLOAD_PLAIN=1 if that is meant."
        )
    if scheme == "http" and not _is_loopback(host):
        return "Backups that are not encrypted go over https only."
    return ""


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def follow(ctx: Context, backup: Backup) -> None:
    """Have a backup just made uploaded, in the transaction that notes it, where uploads are wanted.

    In a lockdown nothing leaves the host, and nothing is put aside for later: the next backup after it is uploaded.
    """
    with ctx.db.read() as tx:
        is_locked = system.state(tx).lockdown
    if is_wanted(ctx.settings) and not is_locked:
        queue.enqueue(ctx, TASK, {"backup_id": backup.id, "asked": False}, unique_key=f"upload:{backup.id}")


def ask(ctx: Context, backup_id: str) -> Task:
    """Have a server upload a backup, whichever are newer. Raises Conflict where that is not set up."""
    why = problem(ctx.settings)
    if why:
        raise Conflict(why)
    payload = {"backup_id": backup_id, "asked": True}
    with ctx.db.write() as tx:
        found = store.get(tx, backup_id)
        key = f"upload:{found.id}"
        return queue.enqueue(ctx, TASK, payload, unique_key=key, priority=queue.BY_HAND)


def upload(ctx: Context, backup_id: str) -> Backup:
    """Put a backup into the bucket here and now; how it went is kept with it.

    Raises Misconfigured where uploads are not set up, TryAgain or Unavailable when it did not arrive.
    """
    forbid_inside_write("an upload")
    with ctx.db.read() as tx:
        backup = store.get(tx, backup_id)
    started = ctx.clock()
    try:
        why = problem(ctx.settings)
        if why:
            raise Misconfigured(why)
        key, size = _send(ctx, backup)
    except packing.Busy:
        raise  # whoever is at it will say how it went
    except OSError as error:
        raise _noted(ctx, backup, Unavailable(f"The backup cannot be read: {error.strerror}.")) from error
    except JarvisError as error:
        raise _noted(ctx, backup, error) from error
    with ctx.db.write() as tx:
        store.set_uploaded(tx, backup.id, key)
        about = {"backup_id": backup.id, "ok": True, "key": key, "bytes": size, "problem": None}
        seconds = round((tx.now - started) / SECOND, 1)
        sealed = bool(ctx.settings.backup_encrypt_command)
        tx.record("backup.upload", f"backup/{backup.id}", about | {"seconds": seconds, "encrypted": sealed})
        return store.get(tx, backup.id)


def _send(ctx: Context, backup: Backup) -> tuple[str, int]:
    settings = ctx.settings
    path, key = settings.backup_local_dir / backup.name, backup.name
    with packing.workplace(settings.backup_local_dir, backup.bytes // 2, "upload") as place:
        if settings.backup_encrypt_command:
            path, key = place / "sealed", backup.name + SEALED
            sealing.seal(settings, settings.backup_local_dir / backup.name, path, backup.id)
        keys = s3.Keys(
            settings.backup_s3_access_key_id,
            settings.backup_s3_secret_access_key,
            settings.backup_s3_region or "us-east-1",
        )
        bucket = s3.Bucket(settings.backup_s3_endpoint, settings.backup_s3_bucket, keys)
        bucket.put(ctx.registry.outbound, path, key, to_datetime(ctx.clock()))
        return f"{settings.backup_s3_bucket}/{key}", path.stat().st_size


def _noted(ctx: Context, backup: Backup, error: JarvisError) -> JarvisError:
    """The same failure, kept with the backup without any secret; told as an event the first time."""
    said = ctx.db.redact(str(error))[:LONGEST_PROBLEM]
    with ctx.db.write() as tx:
        is_first = store.find(tx, backup.id) is not None and backup.upload_problem is None
        store.set_upload_problem(tx, backup.id, said)
        if is_first:
            about = {"backup_id": backup.id, "ok": False, "key": None, "bytes": 0, "problem": said}
            tx.record("backup.upload", f"backup/{backup.id}", about)
    return error
