"""The registry's events as tables: insert-only facts, and views of what is true now.

For lists, searches and pages; an audit reads the chain itself. Ids of models fit SQLite's integers, since the registry
counts them from 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from tallystick.chain.bindings import model_registry as binding
from tallystick.index.projection import Emitted, Projection, Row, Value

VERSION: Final = 1

_PLACE: Final = """block_hash BLOB NOT NULL REFERENCES chain_blocks (hash) ON DELETE CASCADE,
    block_number INTEGER NOT NULL,
    log_index INTEGER NOT NULL"""

_SCHEMA: Final = """
CREATE TABLE models_registered (
    PLACE, model_id INTEGER NOT NULL, owner TEXT NOT NULL, name TEXT NOT NULL, uri TEXT NOT NULL,
    time INTEGER NOT NULL
) STRICT;
CREATE INDEX models_registered_id ON models_registered (model_id);

CREATE TABLE models_transfers (
    PLACE, model_id INTEGER NOT NULL, sender TEXT NOT NULL, receiver TEXT NOT NULL, time INTEGER NOT NULL
) STRICT;
CREATE INDEX models_transfers_id ON models_transfers (model_id, block_number, log_index);

CREATE TABLE models_uris (
    PLACE, model_id INTEGER NOT NULL, uri TEXT NOT NULL, time INTEGER NOT NULL
) STRICT;
CREATE INDEX models_uris_id ON models_uris (model_id, block_number, log_index);

CREATE TABLE models_delegates (
    PLACE, model_id INTEGER NOT NULL, account TEXT NOT NULL, allowed INTEGER NOT NULL, transfers INTEGER NOT NULL,
    time INTEGER NOT NULL
) STRICT;
CREATE INDEX models_delegates_id ON models_delegates (model_id, account, block_number, log_index);

CREATE TABLE models_keys (
    PLACE, account TEXT NOT NULL, key_index INTEGER NOT NULL, key BLOB NOT NULL, time INTEGER NOT NULL
) STRICT;
CREATE INDEX models_keys_account ON models_keys (account, key_index);

CREATE TABLE models_key_revocations (
    PLACE, account TEXT NOT NULL, key_index INTEGER NOT NULL, key BLOB NOT NULL, reason TEXT NOT NULL,
    time INTEGER NOT NULL
) STRICT;

CREATE TABLE models_versions (
    PLACE, model_id INTEGER NOT NULL, seq INTEGER NOT NULL, statement BLOB NOT NULL, signer TEXT NOT NULL,
    key_index INTEGER NOT NULL, kinds INTEGER NOT NULL, manifest_root BLOB NOT NULL, architecture_root BLOB NOT NULL,
    parameter_root BLOB NOT NULL, data_root BLOB NOT NULL, data_size BLOB NOT NULL, code_digest BLOB NOT NULL,
    time INTEGER NOT NULL
) STRICT;
CREATE INDEX models_versions_id ON models_versions (model_id, seq);
CREATE INDEX models_versions_statement ON models_versions (statement);
CREATE INDEX models_versions_manifest ON models_versions (manifest_root);

CREATE TABLE models_parents (
    PLACE, statement BLOB NOT NULL, position INTEGER NOT NULL, parent BLOB NOT NULL
) STRICT;
CREATE INDEX models_parents_statement ON models_parents (statement, position);
CREATE INDEX models_parents_parent ON models_parents (parent);

CREATE TABLE models_statuses (
    PLACE, model_id INTEGER NOT NULL, seq INTEGER NOT NULL, previous INTEGER NOT NULL, status INTEGER NOT NULL,
    reason TEXT NOT NULL, time INTEGER NOT NULL
) STRICT;
CREATE INDEX models_statuses_id ON models_statuses (model_id, seq, block_number, log_index);

CREATE TABLE models_releases (
    PLACE, model_id INTEGER NOT NULL, channel TEXT NOT NULL, seq INTEGER NOT NULL, previous INTEGER NOT NULL,
    count INTEGER NOT NULL, time INTEGER NOT NULL
) STRICT;
CREATE INDEX models_releases_id ON models_releases (model_id, channel, count);

CREATE VIEW models_now AS
SELECT made.model_id, made.name, made.time AS registered_at, made.owner AS first_owner,
    (SELECT receiver FROM models_transfers AS moved WHERE moved.model_id = made.model_id
        ORDER BY block_number DESC, log_index DESC LIMIT 1) AS owner,
    COALESCE((SELECT uri FROM models_uris AS pointed WHERE pointed.model_id = made.model_id
        ORDER BY block_number DESC, log_index DESC LIMIT 1), made.uri) AS uri,
    (SELECT COUNT(*) FROM models_versions AS version WHERE version.model_id = made.model_id) AS versions
FROM models_registered AS made;

CREATE VIEW models_versions_now AS
SELECT version.*,
    COALESCE((SELECT status FROM models_statuses AS said
        WHERE said.model_id = version.model_id AND said.seq = version.seq
        ORDER BY said.block_number DESC, said.log_index DESC LIMIT 1), 1) AS status
FROM models_versions AS version;

CREATE VIEW models_released_now AS
SELECT moved.model_id, moved.channel, moved.seq, moved.count, moved.time AS released_at
FROM models_releases AS moved
WHERE moved.seq != 0 AND moved.count = (
    SELECT MAX(count) FROM models_releases AS other
    WHERE other.model_id = moved.model_id AND other.channel = moved.channel);
"""

SCHEMA: Final = _SCHEMA.replace("PLACE", _PLACE)


def projection(registry: str) -> Projection:
    """Return the projection of the ModelRegistry at `registry`, an address with its checksum."""
    decoders = {topic: event.decode for topic, event in binding.EVENTS.items() if event in _REDUCERS}
    return Projection("models", VERSION, SCHEMA, {registry: decoders}, _reduce)


def _reduce(emitted: Emitted) -> Iterable[Row]:
    return _REDUCERS[type(emitted.event)](emitted.event, emitted.block_time)


def _reduce_version(event: binding.VersionAdded, time: int) -> list[Row]:
    roots = event.roots
    values: dict[str, Value] = {
        "model_id": event.model_id, "seq": event.seq, "statement": event.statement, "signer": event.signer,
        "key_index": event.key_index, "kinds": event.kinds, "manifest_root": roots.manifest_root,
        "architecture_root": roots.architecture_root, "parameter_root": roots.parameter_root,
        "data_root": roots.data_root, "data_size": roots.data_size.to_bytes(8, "big"),
        "code_digest": roots.code_digest, "time": time,
    }  # fmt: skip
    parents = [
        Row("models_parents", {"statement": event.statement, "position": position, "parent": parent})
        for position, parent in enumerate(event.parents)
    ]
    return [Row("models_versions", values), *parents]


def _into(table: str, *columns: str, **renamed: str) -> Callable[[Any, int], list[Row]]:
    """Return the reducer that copies these members of an event, some under another column name, with the time."""
    names = {column: column for column in columns} | renamed

    def reduce(event: Any, time: int) -> list[Row]:
        values = {column: getattr(event, member) for column, member in names.items()}
        return [Row(table, {**values, "time": time})]

    return reduce


_REDUCERS: Final[dict[type, Callable[[Any, int], list[Row]]]] = {
    binding.ModelRegistered: _into("models_registered", "model_id", "owner", "name", "uri"),
    binding.Transfer: _into("models_transfers", "sender", "receiver", model_id="token_id"),
    binding.UriSet: _into("models_uris", "model_id", "uri"),
    binding.DelegateSet: _into("models_delegates", "model_id", "account", "allowed", "transfers"),
    binding.KeyRotated: _into("models_keys", "account", "key", key_index="index"),
    binding.KeyRevoked: _into("models_key_revocations", "account", "key", "reason", key_index="index"),
    binding.VersionAdded: _reduce_version,
    binding.StatusSet: _into("models_statuses", "model_id", "seq", "previous", "status", "reason"),
    binding.Released: _into("models_releases", "model_id", "channel", "seq", "previous", "count"),
}
