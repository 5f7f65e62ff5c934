"""What a provider has signed, on disk before anything of it leaves: one file per request, and one holder.

A node that is killed between commitment and reveal finds answer and salt here and goes on; one that is started again
never signs a second answer to a request that it answered, whatever its model says now. Two nodes on one journal would,
so it is locked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from tallystick.core import canonical, documents
from tallystick.core.errors import Broken, InvalidInput
from tallystick.core.limits import NODE_JOB_BYTES_MAX, NODE_JOBS_MAX
from tallystick.lithic.receipts.answer import commitment, signed_decimal
from tallystick.store.files import make_folder, read_bounded, write_atomic
from tallystick.store.locks import FileLock

_SUFFIX = ".job.json"


@dataclass(frozen=True)
class Job:
    """An answer that a provider is bound to, or is about to be. `deadline` is the end of reveals, in seconds."""

    request_id: bytes
    deadline: int
    provider: str
    output: int
    cost: int
    salt: bytes
    digest: bytes
    signature: bytes

    @property
    def commitment(self) -> bytes:
        """What goes to the contract first."""
        return commitment(self.digest, self.provider, self.salt)

    def to_bytes(self) -> bytes:
        """Return the job as canonical JSON."""
        return canonical.encode(
            {
                "cost": str(self.cost),
                "deadline": self.deadline,
                "digest": self.digest.hex(),
                "output": str(self.output),
                "provider": self.provider,
                "request_id": self.request_id.hex(),
                "salt": self.salt.hex(),
                "signature": self.signature.hex(),
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Job:
        """Read a job; raises InvalidInput when malformed."""
        names = ("cost", "deadline", "digest", "output", "provider", "request_id", "salt", "signature")
        found = documents.members(canonical.decode(data, "job"), "job", names)
        return cls(
            documents.digest(found["request_id"], "request_id"),
            documents.integer(found["deadline"], "deadline"),
            documents.text(found["provider"], "provider", 42),
            signed_decimal(found["output"], "output"),
            documents.decimal(found["cost"], "cost"),
            documents.digest(found["salt"], "salt"),
            documents.digest(found["digest"], "digest"),
            documents.hexed(found["signature"], "signature", 65),
        )


class Journal:
    """The jobs of one provider in `folder`, held by one process at a time. Use it in `with`.

    raises  on entering, Unavailable "lock.held" while another process holds it
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = FileLock(folder / "lock", "the provider's journal")

    def __enter__(self) -> Journal:
        make_folder(self._folder, mode=0o700)
        self._lock.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()

    def write(self, job: Job) -> None:
        """Keep a job, durably; raises Broken "journal.second" when the request has another answer already.

        A salt is a secret until its reveal: only the owner of the folder may read it.
        """
        known = self.find(job.request_id, job.deadline)
        if known is not None and known != job:
            raise Broken("journal.second", "a request would get a second answer", got=job.request_id.hex())
        write_atomic(self._path(job.request_id, job.deadline), job.to_bytes(), mode=0o600)

    def find(self, request_id: bytes, deadline: int) -> Job | None:
        """Return the job of a request, None where there is none.

        deadline  belongs to it: after a reorganisation the same request may end at another time, and needs another
                  signature, while the one made before counts nowhere
        """
        path = self._path(request_id, deadline)
        return Job.from_bytes(read_bounded(path, NODE_JOB_BYTES_MAX, private=True)) if path.exists() else None

    def jobs(self) -> Iterator[Job]:
        """Yield every job; raises InvalidInput "journal.many"."""
        paths = sorted(self._folder.glob(f"*{_SUFFIX}"))
        if len(paths) > NODE_JOBS_MAX:
            raise InvalidInput("journal.many", "the journal is too long", expected=f"≤ {NODE_JOBS_MAX}", got=len(paths))
        for path in paths:
            yield Job.from_bytes(read_bounded(path, NODE_JOB_BYTES_MAX, private=True))

    def forget(self, job: Job) -> None:
        """Drop a job that no proof can need any more."""
        self._path(job.request_id, job.deadline).unlink(missing_ok=True)

    def _path(self, request_id: bytes, deadline: int) -> Path:
        return self._folder / f"{request_id.hex()}-{deadline}{_SUFFIX}"
