"""`tally lithic`: trained models as contracts, compiled, checked, deployed and asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tallystick.cli.committee import committee
from tallystick.cli.committee_node import node
from tallystick.cli.direct import direct
from tallystick.cli.door import answers, ask_passphrase, in_workspace, workspace_option
from tallystick.cli.kernel_inputs import read_artifact, read_csv, read_inputs, read_origin
from tallystick.cli.kernel_options import bits_options, graph_of, graph_options, precision_of
from tallystick.cli.kernel_tables import (
    answer_cells,
    built_tables,
    derived,
    gas_table,
    identity,
    inspect_tables,
    prediction,
)
from tallystick.cli.main import EXIT_FAULTS_FOUND
from tallystick.cli.optimistic import optimistic
from tallystick.cli.output import Output, table
from tallystick.cli.receipts import verify as verify_receipt
from tallystick.core.digest import sha256
from tallystick.core.errors import InvalidInput
from tallystick.core.ids import ModelRef, parse_address
from tallystick.core.limits import (
    CANONICAL_BYTES_MAX,
    KERNEL_RANGES_BYTES_MAX,
    KERNEL_TABLE_BYTES_MAX,
    ONNX_KERNEL_BYTES_MAX,
)
from tallystick.store.files import read_bounded, write_atomic
from tallystick.tally import Tally

if TYPE_CHECKING:
    from tallystick.lithic.build import Order
    from tallystick.lithic.contract import Registration
    from tallystick.lithic.tables import Rows

_FILE = click.Path(path_type=Path)


@click.group("lithic")
def command() -> None:
    """Put trained models on chain, exact to the last bit, and rely on their answers."""


for member in (direct, optimistic, committee, node, verify_receipt):
    command.add_command(member)


@command.group("model", short_help="Compile models to contracts, check them, deploy them and ask them")
def model() -> None:
    """Compile trained models to contracts (kernels), check them, deploy them and ask them.

    A kernel's file, NAME.kernel.json, holds the integer model, the code and the proof that the code computes it.
    """


@model.command()
@click.argument("onnx", type=_FILE)
@click.option("--ranges", type=_FILE, help="What each feature can be: TOML or CSV.")
@click.option("--sample", type=_FILE, help="CSV of rows like those to come: for scales, and for ranges if none.")
@click.option("--test", type=_FILE, help="CSV of rows held out, to compare float and integer model on.")
@click.option("--label", help="The column that is no feature but the true label or value, for --test.")
@click.option("--floor", default="0.01", show_default=True, help="How much accuracy, AUC or R² may be lost.")
@click.option("--agreement", default="0.98", show_default=True, help="How often both models must decide alike.")
@bits_options
@graph_options
@click.option("--model", "model_id", type=int, help="The model of this workspace's registry that it is a version of.")
@click.option("--registry", help="Another registry's address, for --model.")
@click.option("--out", type=_FILE, help="Where the kernel is written; NAME.kernel.json if left out.")
@click.option("--document", type=_FILE, help="Where the integer model alone is written, for a version's folder.")
@click.option("--report", type=_FILE, help="Where an HTML report on --test is written.")
@workspace_option
@answers
def build(output: Output, onnx: Path, **options: Any) -> None:
    """Compile the trained model in the file ONNX to a kernel; refuse it where it lost too much in integers."""
    from tallystick.lithic.build import build as run_build

    if options["report"] and not options["test"]:
        raise InvalidInput("cli.report", "--report compares models on --test, which is not given")
    built = run_build(_order(onnx, options), output.note)
    out = options["out"] or Path(f"{onnx.stem}.kernel.json")
    written = {"kernel": out} | {what: options[what] for what in ("document", "report") if options[what]}
    contents = {"kernel": built.artifact.to_bytes, "document": built.document, "report": built.report}
    made = {what: contents[what]() for what in written}  # all of them, before the first is written
    for what, path in written.items():
        write_atomic(path, made[what])
    value = {**{what: str(path) for what, path in written.items()}, **identity(built.artifact)}
    quality = dict(built.artifact.quality)
    output.result({**value, **derived(built.artifact), "quality": quality}, built_tables(built, written))


@model.command()
@click.argument("kernel", type=_FILE)
@answers
def inspect(output: Output, kernel: Path) -> int:
    """Show what a kernel is made of: steps, lanes, ranges, the proof, bytes and gas."""
    from tallystick.lithic.inspection import inspect as run_inspect

    artifact = read_artifact(kernel)
    output.note("compiling, to say what each step takes")
    made = artifact.recompiled
    found = run_inspect(made if made.code == artifact.code else artifact.kernel)
    differs = artifact.difference
    value = {**identity(artifact), **derived(artifact), **found.to_dict(), "difference": differs}
    output.result(value, inspect_tables(artifact, found, differs))
    return EXIT_FAULTS_FOUND if found.fault or differs else 0


@model.command()
@click.argument("kernel", type=_FILE)
@click.option("--source", type=_FILE, help="The ONNX file it was built from: derive model and score error again.")
@click.option("--sample", type=_FILE, help="The CSV file that was --sample when it was built, for --source.")
@click.option("--verbose", "-v", is_flag=True, help="Show the checks that held, too.")
@answers
def check(output: Output, kernel: Path, source: Path | None, sample: Path | None, verbose: bool) -> int:
    """Recompute everything that a kernel's file says, and run its code against the reference."""
    from tallystick.lithic.checking import check_artifact

    data = read_bounded(kernel, CANONICAL_BYTES_MAX)
    origin = read_origin(data, source, sample)
    with output.progress("compiling, proving and running inputs") as advance:
        report = check_artifact(data, origin=origin, progress=advance)
    output.report(report, {"kernel": str(kernel), "sha256": sha256(data).hex()}, verbose)
    return 0 if report.ok else EXIT_FAULTS_FOUND


@model.command()
@click.argument("kernel", type=_FILE)
@in_workspace
def deploy(output: Output, tally: Tally, kernel: Path) -> None:
    """Put a kernel and its parts on this workspace's chain; what is there already is found and costs nothing."""
    artifact = read_artifact(kernel)
    output.note("compiling")
    made = artifact.require()
    placed = tally.lithic.deploy(made)
    contracts = [
        {"name": one.name, "address": one.address, "gas_used": one.gas_used,
         "transaction": None if one.transaction_hash is None else "0x" + one.transaction_hash.hex()}
        for one in placed
    ]  # fmt: skip
    rows = [(one.name, one.address, f"{one.gas_used:,}" if one.transaction_hash else "there already") for one in placed]
    total = sum(one.gas_used for one in placed)
    output.result(
        {"kernel": made.address, "model_digest": made.digest.hex(), "contracts": contracts, "gas_used": total},
        [f"kernel at {made.address}, {total:,} gas", table("contracts", ("", "address", "gas"), rows)],
    )


@model.command()
@click.argument("kernel", type=_FILE)
@click.argument("version")
@in_workspace
def record(output: Output, tally: Tally, kernel: Path, version: str) -> None:
    """Record for ever that a deployed kernel is the one of VERSION, MODEL@SEQ, whose files hold its integer model."""
    made = read_artifact(kernel).require()
    model_id, seq = tally.lithic.resolve(ModelRef.parse(version))
    address = tally.lithic.record(made, ModelRef(model_id, seq))
    directory = tally.lithic.directory.contract.address
    output.result({"version": f"{model_id}@{seq}", "kernel": address, "directory": directory})


@model.command()
@click.argument("version")
@click.option("--verbose", "-v", is_flag=True, help="Show the checks that held, too.")
@in_workspace
def verify(output: Output, tally: Tally, version: str, verbose: bool) -> int:
    """Recheck that the kernel of VERSION, MODEL@SEQ or MODEL@CHANNEL, is what its integer model compiles to."""
    report = tally.lithic.verify(ModelRef.parse(version))
    output.report(report, {"version": version, "directory": tally.lithic.directory.contract.address}, verbose)
    return 0 if report.ok else EXIT_FAULTS_FOUND


@model.command()
@click.argument("kernel", type=_FILE)
@click.option("--row", "rows", multiple=True, help="Numbers of one input, comma-separated; may be given again.")
@click.option("--rows", "csv", type=_FILE, help="CSV of inputs, with a column for each feature.")
@click.option("--integers", is_flag=True, help="--row gives the kernel's own integers.")
@click.option("--clip", is_flag=True, help="Take what is outside its range as the range's end, instead of refusing it.")
@click.option("--at", "place", help="Ask a contract, too, and compare: an address, MODEL@SEQ or MODEL@CHANNEL.")
@click.option("--gas", is_flag=True, help="Run the code, too, and say what it takes.")
@workspace_option
@answers
def predict(
    output: Output,
    kernel: Path,
    rows: tuple[str, ...],
    csv: Path | None,
    integers: bool,
    clip: bool,
    place: str | None,
    gas: bool,
    workspace: Path,
) -> int:
    """Answer inputs with the reference of a kernel's file; compare with a contract where --at names one."""
    artifact = read_artifact(kernel)
    made = artifact.kernel
    artifact.check_digest()
    inputs = read_inputs(made, rows, csv, is_integers=integers, clip=clip)
    found = [prediction(made, x, gas) for x in inputs]
    rows_shown = [(number, *answer_cells(one)) for number, one in enumerate(found)]
    shown = table("answers", ("", "decision", "scores", "integers", *(["gas"] if gas else [])), rows_shown)
    value = {"kernel": artifact.address, "model_digest": made.digest.hex(), "predictions": found}
    if place is None:
        output.result(value, shown)
        return 0 if all(one.get("code_agrees", True) for one in found) else EXIT_FAULTS_FOUND
    with Tally.open(workspace, ask_passphrase) as tally:
        kernels = tally.lithic
        address = parse_address(place) if place.startswith("0x") else kernels.kernel_of(ModelRef.parse(place))
        report = kernels.compare(made, address, inputs)
    if not output.json:
        output.result(value, shown)
    output.report(report, {**value, "at": address})
    return 0 if report.ok else EXIT_FAULTS_FOUND


@model.command()
@click.argument("kernel", type=_FILE)
@click.option("--rows", "csv", type=_FILE, help="CSV of inputs, clipped to the ranges; drawn ones if left out.")
@click.option("--inputs", default=20, show_default=True, type=click.IntRange(1, 10_000), help="How many are run.")
@answers
def bench(output: Output, kernel: Path, csv: Path | None, inputs: int) -> None:
    """Measure the gas of a kernel's code over inputs: least, median and most, beside the bound and deployment."""
    from tallystick.lithic.inspection import measure
    from tallystick.lithic.integer import samples

    artifact = read_artifact(kernel)
    made = artifact.kernel
    drawn = read_csv(made, csv, clip=True)[:inputs] if csv else samples.draws(made.model, inputs, made.digest)
    with output.progress("running inputs", len(drawn)) as advance:
        found = measure(made, drawn, advance)
    output.result(
        {**identity(artifact), "inputs": found.inputs, "execution": {"least": found.least, "median": found.median,
         "greatest": found.greatest, "bound": made.worst_gas}, "transaction": {"median": found.transaction_median,
         "greatest": found.transaction_greatest}, "deployment": made.deployment_gas},
        gas_table(found, made.worst_gas, made.deployment_gas),
    )  # fmt: skip


def _order(onnx: Path, options: dict[str, Any]) -> Order:
    """Return what the options ask for; files of rows are read when the names of the features are known."""
    from tallystick.lithic.build import Order
    from tallystick.lithic.integer.decimals import ratio
    from tallystick.lithic.quantise.quality import Floor
    from tallystick.lithic.tables import columns_of, read_ranges, read_rows

    data = {what: read_bounded(options[what], KERNEL_TABLE_BYTES_MAX) for what in ("sample", "test") if options[what]}
    label, path = options["label"], options["ranges"]
    ranges = None
    if path is not None:
        is_toml = path.suffix == ".toml"
        ranges = read_ranges(read_bounded(path, KERNEL_RANGES_BYTES_MAX), is_toml=is_toml, what=str(path))
    headers = [columns_of(data[what], str(options[what])) for what in data]
    columns = tuple(ranges or ()) or tuple(name for name in next(iter(headers), ()) if name != label)

    def rows(what: str, label: str | None) -> Callable[[Sequence[str]], Rows] | None:
        if what not in data:
            return None
        return lambda features: read_rows(data[what], features, label=label, what=str(options[what]))

    drop, (precision, asked) = options["floor"], precision_of(options)
    for what in ("floor", "agreement"):
        ratio(options[what], f"--{what}")
    return Order(
        source=read_bounded(onnx, ONNX_KERNEL_BYTES_MAX),
        file_name=onnx.name,
        graph=graph_of(options, onnx.stem),
        columns=columns,
        ranges=ranges,
        sample=rows("sample", None),
        test=rows("test", label),
        floor=Floor(accuracy_drop=drop, auc_drop=drop, r2_drop=drop, agreement=options["agreement"]),
        precision=precision,
        asked=asked,
        registry=_registration(options),
    )


def _registration(options: dict[str, Any]) -> Registration | None:
    """Return the model that the kernel will name; its registry is this workspace's where none is given."""
    from tallystick.lithic.contract import Registration

    model_id, registry = options["model_id"], options["registry"]
    if model_id is None:
        if registry is not None:
            raise InvalidInput("cli.registry", "--registry says where the model of --model is, which is not given")
        return None
    if registry is None:
        with Tally.open(options["workspace"], ask_passphrase) as tally:
            registry = tally.address("ModelRegistry")
    return Registration(registry, model_id)
