import inspect
import pickle

import pytest

from device_models import errors
from device_models.errors import HardwareError, LimitError, ShapeError, XbarError

CLASSES = [
    c for _, c in inspect.getmembers(errors, inspect.isclass) if c.__module__ == errors.__name__
]
every_error = pytest.mark.parametrize("cls", CLASSES)


@every_error
def test_every_error_is_an_xbar_error(cls):
    assert issubclass(cls, XbarError)


@every_error
def test_every_error_says_what_the_user_can_do(cls):
    assert cls.__doc__


@every_error
def test_an_error_survives_a_pool_of_processes(cls):
    copy = pickle.loads(pickle.dumps(cls("no board at 1.2.3.4; nothing was sent")))  # noqa: S301
    assert type(copy) is cls
    assert str(copy) == "no board at 1.2.3.4; nothing was sent"


@every_error
def test_exit_code_tells_hardware_from_settings(cls):
    assert cls.exit_code == (3 if issubclass(cls, HardwareError) else 2)


@pytest.mark.parametrize("cls", [LimitError, ShapeError])
def test_wrong_values_are_value_errors_too(cls):
    assert issubclass(cls, ValueError)
