"""What a trained model is worth: probabilities, scores, plots."""
