"""The container box: `ContainerSandbox`, which runs jobs in containers of Docker or Podman."""

from toolwright.sandbox.container.box import ContainerSandbox

__all__ = ["ContainerSandbox"]
