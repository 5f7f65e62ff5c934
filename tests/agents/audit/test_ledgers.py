"""The same life adds up on another implementation of the chain, proven from its last block."""

from __future__ import annotations

import pytest

from tallystick.store.blobs import BlobStore
from tests.agents.audit.story import Story
from tests.contracts.anvil_ledger import AnvilLedger


@pytest.mark.anvil
def test_a_life_on_anvil_adds_up(anvil, tmp_path):
    lived = Story(AnvilLedger(anvil), BlobStore(str(tmp_path))).live()
    found = lived.audit(is_proven=True)
    assert found.findings == ()
    assert found.report.ok
    assert [link.kind.name for link in found.links[-2:]] == ["SWEEP", "SWEEP"]
    assert len(found.reasons) == 9
    lived.node.close()
