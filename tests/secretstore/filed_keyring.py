"""A backend for the keyring library that keeps passwords in the file `$FILED_KEYRING`; locked while a file beside it is."""

import json
import os
import pathlib

from keyring import backend, errors


class Keyring(backend.KeyringBackend):
    priority = 9

    @property
    def _file(self):
        return pathlib.Path(os.environ["FILED_KEYRING"])

    def _all(self):
        if self._file.with_suffix(".locked").exists():
            raise errors.KeyringLocked("locked, and the-very-secret-value with it")
        return json.loads(self._file.read_text()) if self._file.exists() else {}

    def get_password(self, service, username):
        return self._all().get(f"{service} {username}")

    def set_password(self, service, username, password):
        self._file.write_text(json.dumps(self._all() | {f"{service} {username}": password}))

    def delete_password(self, service, username):
        kept = self._all()
        del kept[f"{service} {username}"]
        self._file.write_text(json.dumps(kept))
