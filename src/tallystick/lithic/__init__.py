"""Trained models as contracts: cheap enough to call in any transaction, exact to the last bit.

    floats      what an importer read out of a trained model
    importers   ONNX, as scikit-learn, PyTorch, XGBoost and LightGBM write it
    quantise    from floats to integers: scales chosen on data, and what that costs in quality
    integer     the integer model: its steps, its reference in plain Python, the interval of every number
    lanes       many multiply-accumulates in one, and the proof that no lane overflows
    evm         the same as EVM code, in one contract or with parts beside it

Everything down to the code is pure: no files, no network, no clock. Start with `integer/model.py`.
"""
