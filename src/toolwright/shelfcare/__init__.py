"""Shelves are cared for as wholes: one or an archive goes in; copies, backups, findings, plain files come out."""
