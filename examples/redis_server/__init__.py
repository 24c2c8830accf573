"""A Redis server in Python: some 170 commands, transactions, pub/sub, and an append-only file.

::

    program        what is started: options, stages, loops
    table          the table of commands, and the client that they are run for
    strings, bits, hashes, lists, sets, sorted_sets, ranges, combining, keys, lifetimes, scan, server
                   the commands, a small function each
    store          databases, ends of keys, who hears of changes
    named          dictionaries that SCAN can walk
    sorted_set     members in the order of their scores
    waiting        clients that are blocked
    arguments      numbers, as strictly read as by the real server
    journal        when changes are written down, and replies sent
    append_only    the file that they are written to
    loading        from the file to the store
    rewriting      from the store to a shorter file
"""
