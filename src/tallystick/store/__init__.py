"""What one user keeps on disk: the workspace, keys, and evidence by digest.

    workspace.py    one folder, its configuration, and where everything in it lies
    keys.py         encrypted keys and who may open them; keystore.py is the file format
    blobs.py        bytes by SHA-256, hashed again whenever they are read; blob_places.py is where they lie
    files.py        whole-or-absent writes, bounded reads, names that cannot climb out of their folder
    locks.py        one process at a time, by name
    write_ahead.py  SQLite's log, switched on by several processes at once

Refuses to know what any of it means: statements, logs and chains are the business of the floors above.
"""
