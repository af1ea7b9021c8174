"""What the tests of backends share."""

import pytest

pytest.register_assert_rewrite("isgware.backends")
