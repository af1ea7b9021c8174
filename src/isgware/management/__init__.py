"""What people and programs ask of a running site: verbs, listings, statistics, explanations."""
