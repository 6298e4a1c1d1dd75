"""Data: what ``--data`` may be, the check of every image, splits, order, augmentation, and batches for training."""
