"""Answers: curated entries, the engine that finds them, curation and the questions asked."""
