"""A run goes on from another: what was said, its files, its tools, in Python and with the command."""

from talk_stage import Speaker

from outside.endpoint import says


def said(request):
    """Role and text of each message but the system prompt."""
    return [(one["role"], one.get("content") or "") for one in request.messages if one["role"] != "system"]


def test_a_task_goes_on_with_what_was_said_before(talk):
    one = talk(Speaker(first=[says("It was one.")], second=[says("It was two.")], third=[says("It was three.")]))
    first = one.run("First question")
    second = one.run("Second question", history=first)
    third = one.run("Third question", history=second.run_id)
    assert (first.continues, second.continues, third.continues) == ("", first.run_id, second.run_id)
    assert third.to_json()["continues"] == second.run_id
    assert said(one.asked[2]) == [
        ("user", "First question"),
        ("assistant", "It was one."),
        ("user", "Second question"),
        ("assistant", "It was two."),
        ("user", "Third question"),
    ]
    assert [sum(message["role"] == "system" for message in request.messages) for request in one.asked] == [1, 1, 1]
