import pytest


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working folder."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(scope="module")
def data(data_dir):
    """The options that name the folder of the set."""
    return ("--data-dir", data_dir)
