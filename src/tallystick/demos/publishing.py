"""Chapter one: a model is trained, changed three times, and each version recorded with all its evidence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tallystick.chain.bindings.model_registry import VersionAdded
from tallystick.demos import breast_cancer
from tallystick.demos.places import Places
from tallystick.demos.story import Story, VersionTold
from tallystick.models.dataset import Dataset, create
from tallystick.models.formats.sklearn import write_model
from tallystick.models.register import Training
from tallystick.models.rows import rows_of_array
from tallystick.tally import Tally

STEPS = 4
CHANNEL = "production"


def publish_versions(tally: Tally, places: Places, story: Story, advance: Callable[[int], None]) -> int:
    """Train and record the four versions, release the last, tell it in `story`; return the model's id."""
    split = breast_cancer.load_split()
    model_id = tally.models.register("tumour malignancy")
    data = create(places.private / "data", (*split.features, "target"))
    for step in range(1, STEPS + 1):
        trained = breast_cancer.train(step, split)
        data = _grow(data, split, trained.rows)
        folder = places.models / f"v{step}"
        folder.mkdir()
        write_model(trained.estimator, folder, features=len(split.features))
        training = Training(
            hyperparameters=trained.hyperparameters,
            metrics=trained.metrics,
            note=trained.title,
            dataset=data,
            code=Path(breast_cancer.__file__),
        )
        added = tally.models.add_version(model_id, folder, training)
        story.versions.append(
            VersionTold(
                seq=added.seq,
                title=trained.title,
                statement=added.statement.hex(),
                roots={name: root or "" for name, root in added.roots.to_dict().items()},
                kinds=tuple(added.kinds.names),
                rows=trained.rows,
                metrics=trained.metrics,
                gas=_gas_of(tally, model_id, added.seq),
            )
        )
        advance(1)
    tally.models.registrar.release(model_id, CHANNEL, STEPS)
    story.channels[CHANNEL] = STEPS
    return model_id


def _gas_of(tally: Tally, model_id: int, seq: int) -> int:
    """Return the gas of the transaction that recorded a version."""
    for found in tally.models.history(model_id).events:
        if isinstance(found.event, VersionAdded) and found.event.seq == seq:
            receipt = tally.node.receipt(found.transaction_hash)
            return receipt.gas_used if receipt else 0
    return 0


def _grow(data: Dataset, split: breast_cancer.Split, rows: int) -> Dataset:
    """Return the data set with training rows added up to `rows`; rows only ever arrive."""
    if rows == data.size:
        return data
    chosen = slice(data.size, rows)
    return data.append(rows_of_array(split.train[chosen], split.train_labels[chosen]))
