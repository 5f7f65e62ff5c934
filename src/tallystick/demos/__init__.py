"""Stories across rooms, run on real data with the same verbs that a user has."""
