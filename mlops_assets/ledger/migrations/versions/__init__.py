"""Steps of the schema, oldest first. A released step is never edited: a mistake is mended by the next one."""
