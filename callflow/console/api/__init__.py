"""The same work for programs: JSON under `/api/v1` (docs/api.md)."""
