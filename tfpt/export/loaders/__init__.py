"""Scripts that put requests to an export in processes of their own, run by path: none imports tfpt or is imported."""
