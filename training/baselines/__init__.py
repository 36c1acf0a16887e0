"""What a model has to beat, trained and scored on the same rows."""
