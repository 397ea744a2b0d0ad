"""The schemas for a bare loop, held against the vendors' own types and clients in an environment with their SDKs."""

import pytest

from adapters import venvs

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("adapter-vendors")]


def test_the_types_and_clients_of_anthropic_and_google_take_them():
    venvs.tests_in("vendors", "vendor_types.py")
