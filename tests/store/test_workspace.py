"""A workspace opens exactly when its configuration says something we understand."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.core.errors import InvalidInput, TallystickError
from tallystick.core.ids import checksum_address
from tallystick.store.workspace import Config, Workspace


def refusal(call, *arguments, **named) -> TallystickError:
    with pytest.raises(TallystickError) as refused:
        call(*arguments, **named)
    return refused.value


addresses = st.binary(min_size=20, max_size=20).map(checksum_address)
configs = st.builds(
    Config,
    target=st.sampled_from(["embedded", "http://127.0.0.1:8545", 'https://node.example/key"\\x']),
    chain_id=st.integers(1, 2**53 - 1),
    blobs=st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]), min_size=1, max_size=40),
    deployments=st.dictionaries(st.from_regex(r"[A-Z][A-Za-z0-9_]{0,20}", fullmatch=True), addresses, max_size=4),
)

MINIMAL = b'[chain]\ntarget = "embedded"\nid = 1337\n[blobs]\nurl = "blobs"\n'


@given(config=configs)
def test_a_configuration_is_read_back_as_it_was_written(config):
    assert Config.from_bytes(config.to_bytes()) == config


@given(data=st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
def test_bytes_that_are_no_configuration_can_only_be_refused(data):
    assert isinstance(refusal(Config.from_bytes, data), InvalidInput)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"[blobs]", b"[blob]"),
        (b"id = 1337", b"id = 31337\nidd = 1"),
        (b"id = 1337", b'id = "31337"'),
        (b"id = 1337", b"id = 0"),
        (b"id = 1337", b"id = true"),
        (b'"embedded"', b'"ftp://node"'),
        (b'"embedded"', b'"http://"'),
        (b'"embedded"', b'"http://[/"'),
        (b'"embedded"', b'"http://a b"'),
        (b'"blobs"', b'""'),
        (b'"blobs"', b'"a\\nb"'),
        (b'url = "blobs"', b'url = "blobs"\n[deployments]\nRegistry = "0x12"'),
        (b'url = "blobs"', b'url = "blobs"\n[deployments]\n"a b" = "0x0000000000000000000000000000000000000001"'),
    ],
)
def test_what_means_nothing_is_refused_instead_of_ignored(before, after):
    assert Config.from_bytes(MINIMAL) == Config()
    assert before in MINIMAL
    assert isinstance(refusal(Config.from_bytes, MINIMAL.replace(before, after)), InvalidInput)


def test_an_unknown_key_is_answered_with_the_known_ones():
    error = refusal(Config.from_bytes, b"colour = 1\n" + MINIMAL)
    assert error.code == "document.unknown"
    assert "[blobs] url" in error.hint


def test_an_address_in_lower_case_gets_its_checksum():
    lower = b'[deployments]\nRegistry = "0x4e59b44847b379578588920ca78fbf26c0b4956c"\n'
    assert Config.from_bytes(MINIMAL + lower).deployments == {"Registry": "0x4e59b44847b379578588920cA78FbF26c0B4956C"}


def test_a_workspace_is_made_once_and_opened_by_anyone_later(tmp_path):
    made = Workspace.create(tmp_path / ".tally")
    assert Workspace.open(tmp_path / ".tally") == made
    assert refusal(Workspace.create, tmp_path / ".tally").code == "workspace.exists"
    assert (tmp_path / ".tally" / "config.toml").stat().st_mode & 0o777 == 0o600


def test_a_folder_that_is_no_workspace_is_refused(tmp_path):
    assert refusal(Workspace.open, tmp_path).code == "workspace.missing"
    assert refusal(Workspace.open, tmp_path / "none").code == "workspace.missing"


def test_everything_lies_where_the_design_says(tmp_path):
    workspace = Workspace.create(tmp_path / ".tally")
    root = workspace.path
    assert workspace.is_embedded
    assert workspace.chain_target == str(root / "chain.db")
    assert workspace.outbox_path == root / "outbox.db"
    assert workspace.index_path == root / "index.db"
    assert workspace.logs_path == root / "logs"
    assert workspace.deployments_path == root / "deployments" / "1337.json"
    assert workspace.keyring.folder == root / "keys"
    digest = workspace.blobs.put(b"data")
    assert (root / "blobs" / "sha256" / digest.hex()[:2] / digest.hex()).read_bytes() == b"data"


def test_a_node_elsewhere_has_no_chain_file(tmp_path):
    workspace = Workspace.create(tmp_path / "w", Config(target="http://127.0.0.1:8545", chain_id=1, blobs="memory://b"))
    assert not workspace.is_embedded
    assert workspace.chain_target == "http://127.0.0.1:8545"
    assert repr(workspace.blobs) == "BlobStore(memory://b)"


def test_a_changed_configuration_is_there_at_the_next_opening(tmp_path):
    workspace = Workspace.create(tmp_path)
    changed = workspace.with_config(Config(chain_id=7))
    assert Workspace.open(tmp_path) == changed
    assert workspace.config.chain_id == 1_337


def test_what_a_url_may_hide_is_never_shown(tmp_path):
    workspace = Workspace.create(tmp_path, Config(target="https://node.example/token", blobs="s3://key:secret@bucket"))
    assert not re.search("token|secret", repr(workspace))
    error = refusal(Config, target="ftp://node.example/token")
    assert "token" not in f"{error!r}{error.to_dict()}"


def test_one_process_at_a_time_holds_a_lock_of_the_workspace(tmp_path):
    workspace = Workspace.create(tmp_path)
    with workspace.lock("log-1", "log 1"):
        assert refusal(workspace.lock("log-1", "log 1").acquire).code == "lock.held"
        with workspace.lock("log-2", "log 2"):
            pass
