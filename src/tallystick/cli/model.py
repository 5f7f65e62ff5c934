"""`tally model`: register models, add versions, release them, and check what anybody registered."""

from __future__ import annotations

from pathlib import Path

import click
from rich.table import Table

from tallystick.cli.door import in_workspace
from tallystick.cli.main import EXIT_FAULTS_FOUND
from tallystick.cli.output import Output, printable, table
from tallystick.core.canonical import parse
from tallystick.core.errors import InvalidInput
from tallystick.core.ids import ModelRef, parse_address
from tallystick.core.limits import CANONICAL_BYTES_MAX
from tallystick.models.dataset import open_dataset
from tallystick.models.diff import Change, VersionDiff
from tallystick.models.history import History
from tallystick.models.register import STATUSES, Training
from tallystick.models.verify import cautions
from tallystick.store.files import read_bounded
from tallystick.tally import Tally


class Reference(click.ParamType[ModelRef]):
    """A model and perhaps a version: `7`, `7@3`, `7@production`."""

    name = "model"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> ModelRef:
        """Return the parsed reference; raises InvalidInput "model.reference"."""
        return value if isinstance(value, ModelRef) else ModelRef.parse(str(value))


MODEL = Reference()


@click.group("model")
def command() -> None:
    """Record every change of a model, and recheck it from chain and evidence alone."""


@command.command()
@click.argument("name")
@click.option("--uri", default="", help="ERC-721 metadata URI.")
@click.option("--key", default="", help="Tells two models of one name apart.")
@in_workspace
def register(output: Output, tally: Tally, name: str, uri: str, key: str) -> None:
    """Register a model called NAME; the same call again finds the same model."""
    model_id = tally.models.register(name, uri, key=key)
    output.result({"model": model_id, "name": name, "owner": tally.account.address, "registry": tally.models.address})


@command.command("add-version")
@click.argument("model", type=MODEL)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path), help="Data set folder, as `tally data` makes it.")
@click.option("--private-data", is_flag=True, help="Keep rows and salts out of the blob store.")
@click.option("--replaced-because", default="", help="Why the data is not the parent's, grown.")
@click.option("--code", type=click.Path(path_type=Path), help="The file or folder that made the version.")
@click.option("--parameters", type=click.Path(path_type=Path), help="Hyper-parameters: a JSON object of texts.")
@click.option("--metrics", type=click.Path(path_type=Path), help="Metrics: a JSON object of decimal numbers as text.")
@click.option("--parent", "parents", type=MODEL, multiple=True, help="What it was made from; the last version if none.")
@click.option("--environment", type=click.Path(path_type=Path), help="Where it was made: JSON texts; here if left out.")
@click.option("--note", default="", help="A remark that is signed with the rest.")
@in_workspace
def add_version(
    output: Output,
    tally: Tally,
    model: ModelRef,
    folder: Path,
    data: Path | None,
    private_data: bool,
    replaced_because: str,
    code: Path | None,
    parameters: Path | None,
    metrics: Path | None,
    parents: tuple[ModelRef, ...],
    environment: Path | None,
    note: str,
) -> None:
    """Record what is in FOLDER as the next version of MODEL, with all its evidence."""
    training = Training(
        hyperparameters=_texts(parameters),
        metrics=_texts(metrics),
        environment=None if environment is None else _texts(environment),
        note=note,
        dataset=None if data is None else open_dataset(data),
        replaced_because=replaced_because,
        publish_rows=not private_data,
        code=code,
    )
    registry = tally.models.registry
    chosen = [registry.version(*tally.models.resolve(parent)).statement for parent in parents]
    added = tally.models.add_version(model.model_id, folder, training, parents=chosen or None)
    output.result(
        {
            "version": f"{added.model_id}@{added.seq}",
            "statement": added.statement.hex(),
            "changed": added.kinds.names,
            "is_new": added.is_new,
            **{f"{name}_root": root for name, root in added.roots.to_dict().items()},
        }
    )


@command.command()
@click.argument("model", type=MODEL)
@click.argument("channel")
@click.option("--withdraw", is_flag=True, help="Point it at no version.")
@in_workspace
def release(output: Output, tally: Tally, model: ModelRef, channel: str, withdraw: bool) -> None:
    """Point CHANNEL (such as production) at the version MODEL@SEQ."""
    model_id, seq = (model.model_id, 0) if withdraw else tally.models.resolve(model)
    tally.models.registrar.release(model_id, channel, seq)
    output.result({"model": model_id, "channel": channel, "seq": seq})


@command.command()
@click.argument("model", type=MODEL)
@click.argument("status", type=click.Choice(sorted(STATUSES)))
@click.option("--reason", required=True, help="Why; it stays on the chain.")
@click.option("--yes", is_flag=True, help="Do not ask before revoking, which is final.")
@in_workspace
def status(output: Output, tally: Tally, model: ModelRef, status: str, reason: str, yes: bool) -> None:
    """Say what became of the version MODEL@SEQ."""
    model_id, seq = tally.models.resolve(model)
    if status == "revoked":
        output.confirm(f"Revoke version {seq} of model {model_id} for ever?", yes)
    tally.models.registrar.set_status(model_id, seq, status, reason)
    output.result({"model": model_id, "seq": seq, "status": status, "reason": reason})


@command.command()
@click.argument("model", type=MODEL)
@click.argument("account")
@click.option("--remove", is_flag=True, help="Take the right away again.")
@in_workspace
def delegate(output: Output, tally: Tally, model: ModelRef, account: str, remove: bool) -> None:
    """Let ACCOUNT add versions to MODEL until it changes hands."""
    tally.models.registrar.set_delegate(model.model_id, account, allowed=not remove)
    output.result({"model": model.model_id, "account": account, "allowed": not remove})


@command.command()
@click.argument("model", type=MODEL)
@click.argument("account")
@click.option("--yes", is_flag=True, help="Do not ask; only ACCOUNT can give it back.")
@in_workspace
def transfer(output: Output, tally: Tally, model: ModelRef, account: str, yes: bool) -> None:
    """Give MODEL to ACCOUNT: its history stands, its delegates end."""
    output.confirm(f"Give model {model.model_id} to {account}?", yes)
    tally.models.registrar.transfer(model.model_id, account)
    output.result({"model": model.model_id, "owner": tally.models.registry.model(model.model_id).owner})


@command.command()
@click.argument("account", default="")
@in_workspace
def keys(output: Output, tally: Tally, account: str) -> None:
    """List the signing keys that ACCOUNT ever had in the registry, by index; this workspace's if left out."""
    registry = tally.models.registry
    account = parse_address(account or tally.account.address)
    found = [registry.key_at(account, index) for index in range(registry.key_count(account))]
    lines = [(index, key.key.hex(), key.since, key.until or "", key.revoked or "") for index, key in enumerate(found)]
    listed = [
        {"index": index, "key": key.key.hex(), "since": key.since, "until": key.until, "revoked": key.revoked}
        for index, key in enumerate(found)
    ]
    output.result(
        {"account": account, "keys": listed},
        table(f"keys of {account}", ("index", "key", "since", "until", "revoked"), lines),
    )


@command.command("rotate-key")
@click.argument("name")
@in_workspace
def rotate_key(output: Output, tally: Tally, name: str) -> None:
    """Sign versions with the signer NAME from now on; the key before keeps its time."""
    public = tally.signer(name).public_key().public_bytes_raw()
    index = tally.models.registrar.rotate_key(public)
    output.result({"account": tally.account.address, "key": public.hex(), "index": index})


@command.command("revoke-key")
@click.argument("index", type=int)
@click.option("--reason", required=True, help="Why; it stays on the chain.")
@click.option("--yes", is_flag=True, help="Do not ask; a revoked key stays revoked.")
@in_workspace
def revoke_key(output: Output, tally: Tally, index: int, reason: str, yes: bool) -> None:
    """Disown the signing key INDEX of this account."""
    output.confirm(f"Disown key {index} of {tally.account.address} for ever?", yes)
    tally.models.registrar.revoke_key(index, reason)
    output.result({"account": tally.account.address, "index": index, "reason": reason})


@command.command()
@click.argument("model", type=MODEL)
@in_workspace
def show(output: Output, tally: Tally, model: ModelRef) -> None:
    """Show one version, the newest unless MODEL@SEQ names another."""
    model_id, seq = tally.models.resolve(model)
    history = tally.models.history(model_id)
    value = history.versions[seq - 1].to_dict()
    channels = [channel for channel, released in history.channels.items() if released == seq]
    output.result({"model": model_id, "name": history.model.name, "released": channels, **value})


@command.command()
@click.argument("model", type=MODEL)
@in_workspace
def history(output: Output, tally: Tally, model: ModelRef) -> None:
    """List the versions and events of MODEL."""
    found = tally.models.history(model.model_id)
    output.result(found.to_dict(), _history_tables(found))


@command.command()
@click.argument("old", type=MODEL)
@click.argument("new", type=MODEL)
@in_workspace
def diff(output: Output, tally: Tally, old: ModelRef, new: ModelRef) -> None:
    """Show what changed from OLD to NEW: roots, files, tensors, data, settings, metrics."""
    found = tally.models.diff(old, new)
    output.result(found.to_dict(), _diff_table(found))


@command.command()
@click.argument("model", type=MODEL)
@click.option("--verbose", "-v", is_flag=True, help="Show the checks that held, too.")
@in_workspace
def verify(output: Output, tally: Tally, model: ModelRef, verbose: bool) -> int:
    """Recompute MODEL, or MODEL@SEQ, from chain and evidence alone."""
    report = tally.models.verify(model)
    warned = [f"{check.name}: {check.detail}" for check in cautions(report)]
    output.report(report, {"model": str(model), "registry": tally.models.address, "cautions": warned}, verbose)
    for caution in warned:
        output.note(caution)
    return 0 if report.ok else EXIT_FAULTS_FOUND


def _texts(path: Path | None) -> dict[str, str]:
    """Return the JSON object of texts in the file at `path`; raises InvalidInput "cli.texts"."""
    if path is None:
        return {}
    found = parse(read_bounded(path, CANONICAL_BYTES_MAX), str(path))
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise InvalidInput(
            "cli.texts", f"{path} is no JSON object of texts", hint='write numbers as text: {"C": "0.2"}'
        )
    return {key: str(value) for key, value in found.items()}


def _history_tables(found: History) -> list[str | Table]:
    versions = []
    for line in found.versions:
        version = line.to_dict()
        released = ", ".join(channel for channel, seq in found.channels.items() if seq == line.seq)
        metrics = ", ".join(f"{name} {value}" for name, value in version["metrics"].items())
        changed = ", ".join(version["kinds"]) or "first"
        versions.append((line.seq, version["statement"][:16] + "…", changed, version["status"], released, metrics))
    events = [(event.block_number, type(event.event).__name__, event.transaction_hash.hex()) for event in found.events]
    return [
        f"model {found.model_id}, {printable(found.model.name)}, owned by {found.model.owner}",
        table("versions", ("seq", "statement", "changed", "status", "released", "metrics"), versions),
        table("events", ("block", "event", "transaction"), events),
    ]


def _diff_table(found: VersionDiff) -> Table:
    rows = [
        (part, change.kind, change.name, _short(change.old), _short(change.new))
        for part in ("roots", "files", "tensors", "config", "hyperparameters", "metrics", "environment", "opaque")
        for change in _listed(found, part)
    ]
    data = found.data
    if data.added or data.removed:
        rows.insert(0, ("data", f"+{data.added} −{data.removed}", "rows", str(data.old_size), str(data.new_size)))
    return table(f"{found.old} → {found.new}", ("", "", "what", "old", "new"), rows)


def _listed(found: VersionDiff, part: str) -> tuple[Change, ...]:
    changes: tuple[Change, ...] = getattr(found, part)
    return changes


def _short(text: str | None) -> str:
    return "" if text is None else text if len(text) <= 24 else text[:24] + "…"
