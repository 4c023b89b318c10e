"""Reports: figures over calls and what came of them, each with its definition; tables, charts and files of them."""
