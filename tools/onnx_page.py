"""Make docs/lithic/onnx.md: what the importer says of itself, and its table of operators. Read by build_docs.py."""

from __future__ import annotations

from tallystick.lithic.importers import supported_operators

HEAD = """# Which ONNX models can become kernels

<!-- written by tools/build_docs.py from tools/onnx_page.py and the table of operators; run `make docs` -->

`tally lithic model build` and `tallystick.lithic.importers.read_onnx` read ONNX as skl2onnx, torch.onnx and
onnxmltools write it. The graph is followed once with symbols in place of numbers, so that it is what a graph
*computes* that counts, not how a converter spelled it: a scaler is one affine step whether it is a `Scaler`, a
`Sub` and a `Div`, or part of a `Gemm`.

```python
import numpy as np
from skl2onnx import to_onnx
from sklearn.datasets import load_iris
from sklearn.naive_bayes import GaussianNB

from tallystick.lithic.floats import evaluate
from tallystick.lithic.importers import read_onnx

rows, species = load_iris(return_X_y=True)
rows = rows.astype(np.float32)
trained = GaussianNB().fit(rows, species)
model = read_onnx(to_onnx(trained, rows[:1]).SerializeToString(), name="iris")

assert [type(step).__name__ for step in model.steps] == ["Squares", "Affine"]  # from some twenty nodes
assert (model.task, model.labels, model.link) == ("classes", ("0", "1", "2"), "softmax")
scores = evaluate(model, rows.astype(float))[-1]
assert (scores.argmax(axis=1) == trained.predict(rows)).all()
```

## Families

| family | as | becomes |
|---|---|---|
| linear and logistic regression, discriminant analysis, perceptron, ridge | scikit-learn, PyTorch | one `Affine` |
| dense networks: ReLU and its kin, sigmoid, tanh | scikit-learn, PyTorch | `Affine` and `Activation` in turn |
| small networks of convolutions, pools, batch norms, branches that meet | PyTorch | the same, and `MaxPool` |
| trees, forests, bagging, gradient boosting | scikit-learn, XGBoost, LightGBM | one `Trees` |
| naive Bayes: Gaussian | scikit-learn | `Squares`, `Affine` |
| naive Bayes: multinomial, complement | scikit-learn | one `Affine` |
| naive Bayes: Bernoulli, and binarised features | scikit-learn | trees of one fork |
| k-means | scikit-learn | one `Affine`: what all distances share is left out |
| before any of these: scalers, principal components | scikit-learn | melts into the first step |
| before any of these: one-hot and ordinal encoders | scikit-learn | `OneHot` |
| before any of these: features of the second degree | scikit-learn | `Affine`, `Squares` |

Two classes are one score. What follows the scores (softmax, sigmoid, the label) is recognised and becomes the task,
the labels and the link.

## What is not supported

Support vector machines with a kernel, nearest neighbours, AdaBoost, calibrated and multi-class averages of
probabilities, polynomial features beyond the second degree, `Normalizer` over features, text features, missing
values, recurrent networks, attention, GELU, layer norms, quantised and sparse tensors, graphs within graphs,
functions, and weights in other files. Each is refused with the operator and the node by name. A model is one chain
of steps: branches that need different activations side by side are refused as `onnx.branches`.

## What to know

- **One row.** The first axis is the batch and counts 1. The others must be fixed: `to_onnx(model, rows[:1])`; in
  PyTorch a free first axis.
- **Rounding.** Weights are the file's, float32 for the most part; what is computed from them here is in double
  precision. A threshold of a tree lies where float32 rounding of the feature would change the answer, so that real
  numbers go where the runtime sends them.
- **Logits.** A network that ends with logits says nothing of classes: pass `task="classes"` and `labels=`, or
  `--task` and `--labels`.
- **Several outputs.** A label and its scores are read together. Otherwise name one: `output=`,
  or `--graph-output`.
- **Labels of two classes of trees.** Where runtimes disagree on the label (a logistic whose leaves are all
  positive, weights for both classes), it is refused and the probabilities are read: `output="probabilities"`.
- **Ties.** The first of equal scores wins. Trees that vote half and half tie exactly, as in scikit-learn.
- **Categories** are whole numbers. One that was never seen is no category: all its indicators are 0.
- **Strangers' files.** Nothing in a file is run. Bounds on bytes, nodes, depth, width and work are in
  `core/limits.py`, under `ONNX_KERNEL_`; an attribute that the reader of an operator does not ask for is refused.

## Operators
"""

DOMAINS = {"": "Standard operators", "ai.onnx.ml": "Operators of `ai.onnx.ml`"}


def page() -> str:
    """Return the page: what is said above, and a table for each domain."""
    parts = [HEAD]
    for domain, title in DOMAINS.items():
        rows = [f"| `{name}` | {part or 'whole'} |\n" for owner, name, part in supported_operators() if owner == domain]
        parts.append(f"\n### {title}\n\n| operator | what of it |\n|---|---|\n{''.join(rows)}")
    return "".join(parts)
