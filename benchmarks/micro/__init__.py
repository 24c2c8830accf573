"""Small measurements inside one process.  Each script prints one JSON object: its figures, one list of rounds each."""
