"""The ward's programs are told what happened: rows first, then signed posts until they are taken (docs/api.md)."""
