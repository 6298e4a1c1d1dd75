"""What no gradient reaches is computed once: planned, measured, kept, and fed to the steps in its stead."""
