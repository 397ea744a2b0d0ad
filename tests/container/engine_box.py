"""A factory for the escape suite: `engine_box:make`, given the wall within; the engine comes from the environment."""

import os

from toolwright.sandbox.container import ContainerSandbox


def make(inner="auto"):
    """The container box that `TOOLWRIGHT_TEST_ENGINE` (`client image runtime`) names."""
    engine, image, runtime = (*os.environ["TOOLWRIGHT_TEST_ENGINE"].split(), "")[:3]
    return ContainerSandbox(engine, image, runtime or None, inner=inner)
