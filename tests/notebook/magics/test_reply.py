"""What Redis replies, for people; asked of Valkey and of Redis 7."""

import pytest
import redis

from labkit.notebook.magics.reply import Reply, annotated


def test_a_nested_reply_is_indented(redis_client: redis.Redis) -> None:
    """Arrays in arrays stand further to the right, each item with its number."""
    reply = Reply(redis_client.eval("return {1, {'a', {'b'}}, {}}", 0))
    assert reply.value == [1, ["a", ["b"]], []]
    assert repr(reply) == '1) 1\n2) 1) "a"\n   2) 1) "b"\n3) (empty array)'


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"plain", "plain"),
        (b"", ""),
        (None, "(nothing)"),
        (7, "7"),
        (b'{"type": "counter", "n": [1]}', '{\n  "type": "counter",\n  "n": [\n    1\n  ]\n}'),
        (b"{no json", "{no json"),
        (b"\xff\x00", "\\xff\x00"),
        ([b"a\nb"], '1) "a\\nb"'),
        ({b"k": [b"v"]}, '"k":\n  1) "v"'),
        ([None, redis.ResponseError("ERR no")], '1) (nothing)\n2) "(error) ERR no"'),
    ],
)
def test_a_reply_is_decoded(raw: object, shown: str) -> None:
    """Bytes are text, JSON is indented, nothing and errors are named, and what is no UTF-8 is seen."""
    assert repr(Reply(raw)) == shown


def test_numbers_of_many_items_are_aligned() -> None:
    """The items of a long array stand one below the other."""
    lines = repr(Reply([b"x"] * 10)).splitlines()
    assert {line.index('"x"') for line in lines} == {4}


@pytest.mark.parametrize(
    ("script", "line"), [("return a.b.c", 1), ("local x = 1\n\nreturn x .. {}\n", 3), ("return (", 1)]
)
def test_the_line_of_an_error_is_marked(redis_client: redis.Redis, script: str, line: int) -> None:
    """Both servers name the line in their own way; the text of it stands behind the arrow."""
    with pytest.raises(redis.ResponseError) as failed:
        redis_client.eval(script, 0)
    shown = annotated(str(failed.value), script)
    text = script.split("\n")[line - 1]
    assert f"→ {line:3} │ {text}" in shown.splitlines()
    assert "on @user_script" not in shown


def test_a_script_that_is_not_closed_shows_where_it_was_opened(redis_client: redis.Redis) -> None:
    """The end of a cell is behind its last line; that one is marked, and the line with what has no `end`."""
    script = "for i = 1, 3 do\n" + "  local b = 2\n" * 9 + "return 1\n"
    with pytest.raises(redis.ResponseError) as failed:
        redis_client.eval(script, 0)
    shown = annotated(str(failed.value), script).splitlines()
    assert [line for line in shown if line.startswith("→")] == ["→   1 │ for i = 1, 3 do", "→  11 │ return 1"]
    assert "    ⋮" in shown


def test_an_error_without_a_line_is_left_alone() -> None:
    """Nothing is marked where nothing is named, or where the line is not of this script."""
    assert annotated("BUSY Redis is busy", "return 1") == "BUSY Redis is busy"
    assert "→" not in annotated("user_script:9: far away", "return 1")


def test_a_reply_is_no_wall_and_no_trap() -> None:
    """Of many items the first are shown, and text that only looks like JSON is text."""
    lines = repr(Reply([str(n) for n in range(5000)])).split("\n")
    assert (len(lines), lines[-1]) == (1001, "… and 4,000 more lines")
    assert repr(Reply(b"[" * 100_000)) == "[" * 100_000
