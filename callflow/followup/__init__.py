"""The life of a record after its call: slips, living reports, promises, signals, visits. Deciders and thin edges."""
