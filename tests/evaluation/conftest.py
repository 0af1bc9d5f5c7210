import pytest

from tests.evaluation.photos import make_photos
from tests.models.tiny import make_tiny_model


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    return make_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="session")
def classifier(model):
    from wildvision import load_classifier

    return load_classifier(model, device="cpu", precision="fp32")


@pytest.fixture(scope="session")
def manifest(tmp_path_factory):
    return make_photos(tmp_path_factory.mktemp("photos"))
