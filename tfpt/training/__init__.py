"""The loop, the steps, freezing, optimizers, checkpoints: mechanism that every task shares."""
