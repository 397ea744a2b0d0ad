"""The three prompts are files; a person's own stands in for ours and always begins with the role."""

from __future__ import annotations

import pytest

from toolwright import prompts
from toolwright.errors import SettingsError


@pytest.mark.parametrize("role", prompts.ROLES)
def test_each_role_has_a_prompt_that_begins_with_its_line(role):
    assert prompts.text(role).split("\n")[:2] == [f"[toolwright:{role}]", ""]
    assert len(prompts.text(role)) > 1000


@pytest.mark.parametrize(
    "own",
    [
        "Be brief.",
        "\n\nBe brief.\n",
        "[toolwright:generator]\n\nBe brief.",
        "\ufeff[toolwright:generator]\n\nBe brief.",
    ],
)
def test_an_override_is_taken_and_gets_the_role_line_where_it_lacks_it(tmp_path, own):
    (tmp_path / "generator.md").write_text(own, "utf-8")
    assert prompts.text("generator", tmp_path) == "[toolwright:generator]\n\nBe brief."
    assert prompts.text("examiner", tmp_path) == prompts.text("examiner")


@pytest.mark.parametrize("content", [b"", b" \n", b"\xff\xfe\x00"])
def test_an_override_that_cannot_be_used_is_named(tmp_path, content):
    (tmp_path / "examiner.md").write_bytes(content)
    with pytest.raises(SettingsError, match=r"examiner\.md"):
        prompts.text("examiner", tmp_path)


def test_an_override_that_is_a_folder_is_named(tmp_path):
    (tmp_path / "examiner.md").mkdir()
    with pytest.raises(SettingsError, match=r"examiner\.md"):
        prompts.text("examiner", tmp_path)


def test_a_folder_that_is_not_there_means_our_prompts(tmp_path):
    assert prompts.text("generator", tmp_path / "none") == prompts.text("generator")
