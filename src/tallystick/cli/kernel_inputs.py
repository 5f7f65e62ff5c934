"""Kernels and inputs as commands are given them: a kernel's file, numbers on the command line, rows of a CSV file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from tallystick.cli.door import reading
from tallystick.cli.output import Output
from tallystick.core.errors import InvalidInput
from tallystick.core.limits import CANONICAL_BYTES_MAX, KERNEL_TABLE_BYTES_MAX, ONNX_KERNEL_BYTES_MAX
from tallystick.store.files import read_bounded

if TYPE_CHECKING:
    from tallystick.lithic.artifact import Artifact
    from tallystick.lithic.checking import Origin
    from tallystick.lithic.integer.model import Vector
    from tallystick.lithic.kernel import Kernel

F = TypeVar("F", bound=Callable[..., object])


def row_options(function: F) -> F:
    """Give a command the options by which one input is named."""
    function = click.option("--clip", is_flag=True, help="Take what is outside its range as the range's end.")(function)
    function = click.option("--integers", is_flag=True, help="--row gives the kernel's own integers.")(function)
    return click.option("--row", required=True, help="Numbers of the input, comma-separated.")(function)


def row_input(kernel: Kernel, row: str, is_integers: bool, clip: bool) -> Vector:
    """Return the input that `row_options` name, on the kernel's grid."""
    (x,) = read_inputs(kernel, (row,), None, is_integers=is_integers, clip=clip)
    return x


def checked_kernel(output: Output, path: Path) -> Kernel:
    """Return the kernel of a file, compiled again and compared; raises VerificationFailed "kernel.artifact"."""
    artifact = read_artifact(path)
    output.note(f"checking {path.name}")
    return artifact.require()


def read_artifact(path: Path) -> Artifact:
    """Return what a kernel's file says; nothing of it is checked yet."""
    from tallystick.lithic.artifact import Artifact

    data = read_bounded(path, CANONICAL_BYTES_MAX)
    with reading(path, "name a file that `tally lithic model build` wrote, NAME.kernel.json, unchanged"):
        return Artifact.from_bytes(data)


def read_origin(data: bytes, source: Path | None, sample: Path | None) -> Origin | None:
    """Return what a kernel's file is said to be made of, where --source names it.

    data    the kernel's file
    raises  InvalidInput "cli.sample" for a sample that is not wanted, or wanted and missing
    """
    from tallystick.lithic.artifact import Artifact
    from tallystick.lithic.checking import Origin
    from tallystick.lithic.tables import read_rows

    if source is None:
        if sample is not None:
            raise InvalidInput("cli.sample", "--sample goes with --source, which is not given")
        return None
    artifact = Artifact.from_bytes(data)
    if artifact.derivation is not None and (artifact.derivation.sample is None) != (sample is None):
        got = "one" if sample else "none"
        raise InvalidInput(
            "cli.sample", "--sample has to be what the kernel was built with",
            expected="none" if sample else "the rows of --sample", got=got,
        )  # fmt: skip
    found = read_bounded(source, ONNX_KERNEL_BYTES_MAX)
    if sample is None:
        return Origin(found)
    names = [field.name for field in artifact.model.input.fields]
    rows = read_rows(read_bounded(sample, KERNEL_TABLE_BYTES_MAX), names, what=str(sample))
    return Origin(found, rows.values)


def read_csv(kernel: Kernel, csv: Path, *, clip: bool) -> list[Vector]:
    """Return the rows of a file on the kernel's grid; raises InvalidInput naming the row."""
    from tallystick.lithic.tables import read_rows

    names = [field.name for field in kernel.model.input.fields]
    table = read_rows(read_bounded(csv, KERNEL_TABLE_BYTES_MAX), names, what=str(csv))
    if not table.values:
        raise InvalidInput("cli.row", f"{csv} has no row")
    return kernel.encode_rows(table.values, clip=clip)


def read_inputs(
    kernel: Kernel, rows: tuple[str, ...], csv: Path | None, *, is_integers: bool, clip: bool
) -> list[Vector]:
    """Return the inputs that a user named, on the kernel's grid; raises InvalidInput naming the row."""
    from tallystick.lithic.tables import read_numbers

    found = [read_numbers(row, "--row") for row in rows]
    if is_integers and any(not number.is_integer() for row in found for number in row):
        raise InvalidInput("cli.row", "--row holds what is no integer", hint="leave out --integers for features")
    inputs = [tuple(map(int, row)) for row in found] if is_integers else kernel.encode_rows(found, clip=clip)
    if csv is not None:
        inputs += read_csv(kernel, csv, clip=clip)
    if not inputs:
        raise InvalidInput("cli.row", "there is no input", expected="--row, or --rows with a row")
    return inputs
