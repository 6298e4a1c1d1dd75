"""KerasTuner searches over the config of any task."""
