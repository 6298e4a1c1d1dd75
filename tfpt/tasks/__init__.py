"""One page per task, each wired into one TASK at its end. Tasks never import each other."""
