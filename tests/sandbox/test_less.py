"""A wall that is less than what was asked for: said once, refused where it is not accepted, never taken in passing."""

import pytest

from sandbox.lesser_host import said_on_host_with

_PROCESS = """
import resource
from toolwright.boxes import box_of
from toolwright.sandbox import Job
from toolwright.sandbox import linux  # what is imported later would want a descriptor
from toolwright.settings import BoxSettings

job = Job("def tool() -> int:\\n    return 1\\n", "tool", ({},))
said = []
box = box_of(BoxSettings(), said.append)
before = resource.getrlimit(resource.RLIMIT_NOFILE)
if "no descriptors" in sys.argv:
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")), before[1]))
first = box.run(job)
resource.setrlimit(resource.RLIMIT_NOFILE, before)
second = box.run(job)
strict = box_of(BoxSettings(box="linux", weakest="full")).run(job)
print(json.dumps({
    "profile": box.profile, "said": said, "first": [first.ending, first.detail],
    "second": [second.ending, second.detail], "strict": [strict.ending, strict.detail],
}))
"""


def test_what_passes_is_a_fault_and_nothing_less_is_taken_for_it():
    whole = said_on_host_with(_PROCESS)
    if whole["profile"] != "full":
        pytest.skip(f"this machine gives no full box: {whole}")
    assert (whole["said"], whole["first"][0], whole["strict"][0]) == ([], "exited", "exited")
    said = said_on_host_with(_PROCESS, "no descriptors")
    assert said["first"][0] == "fault"
    assert "Too many open files" in said["first"][1]
    assert "Try again" in said["first"][1]
    assert (said["profile"], said["second"], said["said"]) == ("full", ["exited", ""], [])


def test_without_namespaces_landlock_is_taken_and_said_and_refused_by_who_wants_more():
    said = said_on_host_with(_PROCESS, "no namespaces")
    assert (said["profile"], said["second"][0]) == ("landlock", "exited")
    [line] = said["said"]
    assert "behind `landlock` of the linux box" in line
    assert "sandbox.profile = landlock" in line
    assert said["strict"][0] == "denied"


def test_a_full_box_without_landlock_is_said_and_refused_by_who_wants_all_of_it():
    said = said_on_host_with(_PROCESS, "no Landlock")
    if said["profile"] != "full":
        pytest.skip(f"this machine gives no full box: {said}")
    assert (said["first"][0], said["second"][0]) == ("exited", "exited")
    [line] = said["said"]
    assert "`full` of the linux box without Landlock" in line
    assert said["strict"][0] == "denied"
    assert "no Landlock" in said["strict"][1]
