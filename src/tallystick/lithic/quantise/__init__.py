"""From floats to integers: scales chosen on data, a proven bound of the error, and what it costs in quality.

    grids         ranges of the features, and the grid of integers that stands for each
    conversion    `quantise`, and `convert` which tells the error bound too
    forms         the float model's numbers said in integers: what makes scalers and grids cost nothing
    draft         the integer model while it is made
    dense, activations, selections, trees    one kind of step each
    outcome       which scores are asked for, and how a decision is read off them
    comparison    float against integer model on held-out data, and the floor below which the integer model is refused

What decides a bit is exact arithmetic (`exact`), so the same inputs give the same model on any machine.
"""
