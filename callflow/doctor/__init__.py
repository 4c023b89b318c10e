"""What the person who runs callflow should know: each check says what it found and how to mend it, and names nobody.

`findings` is what a check answers; `host`, `files`, `storage`, `calling` and `serving` hold the checks by subject.
"""
