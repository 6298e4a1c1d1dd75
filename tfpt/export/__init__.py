"""What leaves the house: SavedModels and other formats, each reloaded elsewhere and held against trained numbers."""
