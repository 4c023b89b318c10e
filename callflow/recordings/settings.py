"""The keys of the recordings, from where the configuration says that they are."""

from __future__ import annotations

import os
from collections.abc import Mapping

from callflow.errors import ConfigError, Where
from callflow.recordings.vault import Keys, keys_of
from callflow.sections import Recordings


def keys_from(given: Recordings, environ: Mapping[str, str] = os.environ) -> Keys:
    """Raises ConfigError, naming the key that is missing."""
    where = Where(field=f"recordings.key_{'file' if given.key_file else 'variable'}")
    if given.key_file is None:
        return keys_of(environ.get(given.key_variable, ""), where)
    try:
        return keys_of(given.key_file.read_text(encoding="ascii"), where)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"録音の鍵のファイル {given.key_file} を読めません", where=where) from error
