"""TLS: a stage around whatever a connection carries (`stage`), and what it needs of files and settings (`contexts`)."""
