"""The facts of the agents' registries as tables, and views of what is true now: for discovery, and for scores.

The reads that would loop on chain are here. Payments are the transfers of one token, the one that agents are paid in.
An agent's id fits SQLite's integers, since the registry counts from 0; an int128 or a uint256 does not, and is decimal
text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from tallystick.chain.bindings import agent_credentials, agent_identity, agent_reputation, agent_validation
from tallystick.chain.bindings import token as token_binding
from tallystick.index.projection import Decoder, Emitted, Projection, Row, Value

VERSION: Final = 2

_PLACE: Final = """block_hash BLOB NOT NULL REFERENCES chain_blocks (hash) ON DELETE CASCADE,
    block_number INTEGER NOT NULL,
    log_index INTEGER NOT NULL"""

_TABLES: Final = {
    "registered": "agent_id INTEGER NOT NULL, owner TEXT NOT NULL, uri TEXT NOT NULL",
    "transfers": "agent_id INTEGER NOT NULL, sender TEXT NOT NULL, receiver TEXT NOT NULL",
    "uris": "agent_id INTEGER NOT NULL, uri TEXT NOT NULL, updated_by TEXT NOT NULL",
    "metadata": "agent_id INTEGER NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL",
    "feedback": "agent_id INTEGER NOT NULL, client TEXT NOT NULL, feedback_index INTEGER NOT NULL, value TEXT NOT NULL,"
    " decimals INTEGER NOT NULL, tag1 TEXT NOT NULL, tag2 TEXT NOT NULL, endpoint TEXT NOT NULL, uri TEXT NOT NULL,"
    " hash BLOB NOT NULL",
    "revocations": "agent_id INTEGER NOT NULL, client TEXT NOT NULL, feedback_index INTEGER NOT NULL",
    "responses": "agent_id INTEGER NOT NULL, client TEXT NOT NULL, feedback_index INTEGER NOT NULL,"
    " responder TEXT NOT NULL, uri TEXT NOT NULL, hash BLOB NOT NULL",
    "requests": "agent_id INTEGER NOT NULL, validator TEXT NOT NULL, request_hash BLOB NOT NULL, uri TEXT NOT NULL",
    "answers": "agent_id INTEGER NOT NULL, validator TEXT NOT NULL, request_hash BLOB NOT NULL,"
    " response INTEGER NOT NULL, tag TEXT NOT NULL, uri TEXT NOT NULL, hash BLOB NOT NULL",
    "issuers": "issuer TEXT NOT NULL, name TEXT NOT NULL, uri TEXT NOT NULL",
    "credentials": "credential_id INTEGER NOT NULL, agent_id INTEGER NOT NULL, issuer TEXT NOT NULL,"
    " holder TEXT NOT NULL, kind TEXT NOT NULL, jurisdiction TEXT NOT NULL, commitment BLOB NOT NULL,"
    " uri TEXT NOT NULL, expires_at BLOB NOT NULL",
    "payments": "payer TEXT NOT NULL, payee TEXT NOT NULL, token TEXT NOT NULL, price TEXT NOT NULL,"
    " transaction_hash BLOB NOT NULL",
    "credential_ends": "credential_id INTEGER NOT NULL, ended_by TEXT NOT NULL, reason TEXT NOT NULL",
}

# What a view looks up for each row: without these a flood of events makes a list take their number squared.
_INDEXES: Final = {
    "metadata_by_key": "metadata (key, value)",
    "metadata_by_agent_and_key": "metadata (agent_id, key, block_number, log_index)",
    "revocations_by_feedback": "revocations (agent_id, client, feedback_index)",
    "responses_by_feedback": "responses (agent_id, client, feedback_index)",
    "answers_by_request": "answers (request_hash, block_number, log_index)",
    "payments_by_token": "payments (token, block_number, log_index)",
}

_NEWEST: Final = "ORDER BY block_number DESC, log_index DESC LIMIT 1"
_VIEWS: Final = """
CREATE VIEW agents_metadata_now AS
SELECT agent_id, key, value, time FROM agents_metadata AS newest WHERE NOT EXISTS (
    SELECT 1 FROM agents_metadata AS later WHERE later.agent_id = newest.agent_id AND later.key = newest.key
    AND (later.block_number, later.log_index) > (newest.block_number, newest.log_index));

CREATE VIEW agents_now AS
SELECT made.agent_id, made.time AS registered_at, made.block_number AS registered_block, made.owner AS first_owner,
    (SELECT receiver FROM agents_transfers AS moved WHERE moved.agent_id = made.agent_id NEWEST) AS owner,
    COALESCE((SELECT uri FROM agents_uris AS pointed WHERE pointed.agent_id = made.agent_id NEWEST), made.uri)
        AS uri,
    (SELECT value FROM agents_metadata AS said
        WHERE said.agent_id = made.agent_id AND said.key = 'agentWallet' NEWEST) AS wallet,
    (SELECT value FROM agents_metadata AS said
        WHERE said.agent_id = made.agent_id AND said.key = 'agentName' NEWEST) AS name,
    (SELECT value FROM agents_metadata AS said
        WHERE said.agent_id = made.agent_id AND said.key = 'registrationSha256' NEWEST) AS digest
FROM agents_registered AS made;

CREATE VIEW agents_feedback_now AS
SELECT said.*, EXISTS (SELECT 1 FROM agents_revocations AS undone WHERE undone.agent_id = said.agent_id
        AND undone.client = said.client AND undone.feedback_index = said.feedback_index) AS revoked,
    (SELECT COUNT(*) FROM agents_responses AS answered WHERE answered.agent_id = said.agent_id
        AND answered.client = said.client AND answered.feedback_index = said.feedback_index) AS responses
FROM agents_feedback AS said;

CREATE VIEW agents_validations_now AS
SELECT asked.*, (SELECT response FROM agents_answers AS said WHERE said.request_hash = asked.request_hash NEWEST)
    AS response, (SELECT tag FROM agents_answers AS said WHERE said.request_hash = asked.request_hash NEWEST) AS tag
FROM agents_requests AS asked;

CREATE VIEW agents_credentials_now AS
SELECT given.*, issuers.name AS issuer_name
FROM agents_credentials AS given JOIN agents_issuers AS issuers USING (issuer)
WHERE given.holder = (SELECT owner FROM agents_now WHERE agents_now.agent_id = given.agent_id)
AND NOT EXISTS (SELECT 1 FROM agents_credential_ends AS over WHERE over.credential_id = given.credential_id);
"""


def _schema() -> str:
    made = []
    for name, columns in _TABLES.items():
        by = columns.split(maxsplit=1)[0]
        made.append(
            f"CREATE TABLE agents_{name} ({_PLACE}, {columns}, time INTEGER NOT NULL) STRICT;\n"
            f"CREATE INDEX agents_{name}_by_{by} ON agents_{name} ({by}, block_number, log_index);\n"
        )
    return (
        "".join(made)
        + "".join(f"CREATE INDEX agents_{name} ON agents_{on};\n" for name, on in _INDEXES.items())
        + _VIEWS.replace("NEWEST", _NEWEST)
    )


SCHEMA: Final = _schema()


def projection(
    identity: str, reputation: str = "", validation: str = "", credentials: str = "", token: str = ""
) -> Projection:
    """Return the projection of the registries at these addresses, each with its checksum; "" for one that is not there.

    token  whose transfers are kept as payments; each of them is read, so not one that half the world uses
    """
    bindings = {
        identity: agent_identity.EVENTS, reputation: agent_reputation.EVENTS, validation: agent_validation.EVENTS,
        credentials: agent_credentials.EVENTS, token: token_binding.EVENTS,
    }  # fmt: skip
    sources: dict[str, dict[bytes, Decoder]] = {
        address: {topic: event.decode for topic, event in events.items() if event in _REDUCERS}
        for address, events in bindings.items()
        if address
    }
    return Projection("agents", VERSION, SCHEMA, sources, _reduce)


def _reduce(emitted: Emitted) -> Iterable[Row]:
    table, values = _REDUCERS[type(emitted.event)](emitted.event)
    if table == "payments":
        values |= {"token": emitted.address, "transaction_hash": emitted.transaction_hash}
    return [Row(f"agents_{table}", {**values, "time": emitted.block_time})]


Fact = tuple[str, dict[str, Value]]


def _into(table: str, *columns: str, **renamed: str) -> Callable[[Any], Fact]:
    """Return the reducer that copies these members of an event, some under another column name."""
    names = {column: column for column in columns} | renamed
    return lambda event: (table, {column: getattr(event, member) for column, member in names.items()})


def _feedback(event: agent_reputation.NewFeedback) -> Fact:
    table, values = _into(
        "feedback", "agent_id", "feedback_index", "tag1", "tag2", "endpoint", client="client_address",
        decimals="value_decimals", uri="feedback_uri", hash="feedback_hash",
    )(event)  # fmt: skip
    return table, values | {"value": str(event.feedback_value)}


def _credential(event: agent_credentials.CredentialIssued) -> Fact:
    table, values = _into(
        "credentials", "credential_id", "agent_id", "issuer", "holder", "kind", "jurisdiction", "commitment", "uri"
    )(event)
    return table, values | {"expires_at": event.expires_at.to_bytes(8, "big")}


def _payment(event: token_binding.Transfer) -> Fact:
    table, values = _into("payments", payer="sender", payee="receiver")(event)
    return table, values | {"price": str(event.amount)}


_REDUCERS: Final[dict[type, Callable[[Any], Fact]]] = {
    agent_identity.Registered: _into("registered", "agent_id", "owner", uri="agent_uri"),
    agent_identity.Transfer: _into("transfers", "sender", "receiver", agent_id="token_id"),
    agent_identity.URIUpdated: _into("uris", "agent_id", "updated_by", uri="new_uri"),
    agent_identity.MetadataSet: _into("metadata", "agent_id", key="metadata_key", value="metadata_value"),
    agent_reputation.NewFeedback: _feedback,
    agent_reputation.FeedbackRevoked: _into("revocations", "agent_id", "feedback_index", client="client_address"),
    agent_reputation.ResponseAppended: _into(
        "responses", "agent_id", "feedback_index", "responder", client="client_address", uri="response_uri",
        hash="response_hash",
    ),
    agent_validation.ValidationRequest: _into(
        "requests", "agent_id", "request_hash", validator="validator_address", uri="request_uri"
    ),
    agent_validation.ValidationResponse: _into(
        "answers", "agent_id", "request_hash", "response", "tag", validator="validator_address", uri="response_uri",
        hash="response_hash",
    ),
    agent_credentials.IssuerNamed: _into("issuers", "issuer", "uri", name="issuer_name"),
    agent_credentials.CredentialIssued: _credential,
    token_binding.Transfer: _payment,
    agent_credentials.CredentialEnded: _into("credential_ends", "credential_id", "ended_by", "reason"),
}  # fmt: skip
