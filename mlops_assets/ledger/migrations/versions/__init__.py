"""Steps of the schema, oldest first. A released step is never edited: the next step corrects a mistake."""
