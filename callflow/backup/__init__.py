"""One file that holds a whole database, and the way back from it.

`archive` is the file, `contents` what a database holds, `sqlite` and `postgresql` how each is copied and put in
place; `taking` and `restoring` put them together.
"""
