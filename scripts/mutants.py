"""Does a test fail without each line of `flush.lua` that carries a promise? `python scripts/mutants.py [WORD …]`.

Each mutant is one change to the script, made in a copy of the tree, and the tests named for it must fail. Ends with 1
if one survives, and with an error if its line is gone or if a test fails without a change. `--table` prints the table
of docs/protocol.md instead; WORDs choose the mutants whose promise has one of them.
"""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parent.parent
SCRIPT = Path("lua/flush.lua")
COPIED = ("configs", "harness", "labkit", "lua", "tests", "pyproject.toml")


@dataclass(frozen=True)
class Mutant:
    """A promise, the line that carries it, what to make of that line, and the test that must fail."""

    promise: str
    line: str
    instead: str
    test: str

    def applied_to(self, script: str) -> str:
        """Return the changed script.

        Raises:
            SystemExit: the line does not occur exactly once.
        """
        if script.count(self.line) != 1:
            raise SystemExit(f"{SCRIPT} has this {script.count(self.line)} times, not once: {self.line!r}")
        return script.replace(self.line, self.instead)


def _needed(call: str, command: str) -> Mutant:
    test = f"half_done.py::test_a_user_who_may_not_call_a_command[valkey-{command}]"
    return Mutant(f"no write before it is known that {command} is allowed", call, "", test)


MUTANTS = (
    Mutant(
        "a replica that lags does not answer",
        "#!lua\n--",
        "--",
        "faults.py::test_a_lagging_replica[valkey-after the request]",
    ),
    Mutant(
        "a batch at or below the fence is not applied",
        'if NUMBER <= tonumber(fence) then return answer("duplicate") end',
        "",
        "flush_lua.py::test_the_same_number_twice_counts_once[valkey]",
    ),
    Mutant(
        "a batch is not applied before the one before it",
        'if NUMBER > tonumber(fence) + 1 then return answer("gap") end',
        "",
        "flush_lua.py::test_a_number_too_high_is_a_gap[valkey]",
    ),
    Mutant(
        "without a fence, only the oldest batch is applied",
        "elseif NUMBER ~= OLDEST then",
        "elseif false then",
        "flush_lua.py::test_a_server_without_a_fence_takes_only_the_oldest[valkey]",
    ),
    Mutant(
        "the fence is raised with the series",
        'call("HSET", FENCES, WRITER, ARGV[1])',
        "",
        "flush_lua.py::test_the_same_number_twice_counts_once[valkey]",
    ),
    Mutant(
        "a fence that is no number stops its writer, and nothing is written",
        "if not is_version(fence) then",
        "if false then",
        "half_done.py::test_a_fence_that_is_no_number[valkey-nan]",
    ),
    _needed('{"ZADD", INDEX, 0, ""}, ', "ZADD"),
    _needed('{"SET", INDEX, ""}, ', "SET"),
    _needed('{"UNLINK", INDEX}, ', "UNLINK"),
    _needed('{"PEXPIREAT", INDEX, 0},', "PEXPIREAT"),
    _needed('{"ZREM", INDEX, ""}, ', "ZREM"),
    _needed('{"HDEL", FENCES, ""},', "HDEL"),
    Mutant(
        "a read that is refused ends the batch, and drops no record",
        "if refusal then return refusal end",
        "",
        "half_done.py::test_a_user_who_may_not_call_a_command[valkey-GETRANGE]",
    ),
    Mutant(
        "the metadata are checked before the first write",
        'call("HLEN", META)',
        "",
        "half_done.py::test_a_key_of_the_bookkeeping_of_the_wrong_type[valkey-meta]",
    ),
    Mutant(
        "a damaged version begins a new epoch, before anything is written",
        "if not (epoch and is_version(version)) then",
        "if not epoch then",
        "half_done.py::test_a_damaged_version[valkey]",
    ),
    Mutant(
        "readers start over after a damaged version",
        "epoch, version = NEW_EPOCH, 0",
        "epoch, version = epoch or NEW_EPOCH, 0",
        "half_done.py::test_a_damaged_version[valkey]",
    ),
    Mutant(
        "a foreign type costs its own series only",
        'if type(json) == "table" then return skip(key, wrong_type(json)) end',
        "",
        "flush_lua.py::test_a_foreign_type_is_skipped[valkey]",
    ),
    Mutant(
        "a removed series stays away",
        "if was_removed(key) then",
        "if false then",
        "flush_lua.py::test_a_removed_series_stays_away_until_something_is_recorded[valkey]",
    ),
    Mutant(
        "a removal leaves a tombstone",
        'call("ZADD", REMOVED, text(now), key)',
        "",
        "flush_lua.py::test_a_removed_series_stays_away_until_something_is_recorded[valkey]",
    ),
    Mutant(
        "a record brings a removed series back",
        'return mode ~= "record"',
        "return true",
        "flush_lua.py::test_a_removed_series_stays_away_until_something_is_recorded[valkey]",
    ),
    Mutant(
        "a tombstone is forgotten after a ttl",
        "if #forgotten > 0 then",
        "if false then",
        "flush_lua.py::test_what_was_removed_is_forgotten_after_a_while[valkey]",
    ),
    Mutant(
        "the expired leave the index",
        "if #dead_series > 0 then",
        "if false then",
        "flush_lua.py::test_the_expired_leave_the_index[valkey]",
    ),
    Mutant(
        "a writer whose lease has ended no longer counts",
        'checked_call("ZRANGE", leases, "-inf", text(now),',
        'checked_call("ZRANGE", leases, "-inf", "-inf",',
        "half_done.py::test_what_the_dead_leave[valkey]",
    ),
    Mutant(
        "old fences are forgotten",
        "if #outdated > 0 then",
        "if false then",
        "half_done.py::test_what_the_dead_leave[valkey]",
    ),
    Mutant(
        "every fence has a time after which it may be forgotten",
        'call("ZADD", WRITERS, text(now + FENCE_TTL), WRITER)',
        "",
        "half_done.py::test_what_the_dead_leave[valkey]",
    ),
    Mutant(
        "no batch forgets the fence of its own writer",
        "if writer ~= WRITER then",
        "if true then",
        "half_done.py::test_a_writer_that_comes_back_late[valkey]",
    ),
    Mutant(
        "of two ways to share a gauge, the living one stays",
        'if held.how and held.how ~= how and held.writers > 0 then return nil, "shared" end',
        "",
        "half_done.py::test_two_ways_to_share_a_gauge[valkey]",
    ),
    Mutant(
        "a version belongs to one series",
        "scores[2 * i - 1], scores[2 * i] = text(version + i), key",
        "scores[2 * i - 1], scores[2 * i] = text(version + 1), key",
        "flush_lua.py::test_a_batch_is_applied_with_all_that_belongs_to_it[valkey]",
    ),
    Mutant(
        "versions only grow",
        'format("%.0f", version + #keys)',
        'format("%.0f", version)',
        "flush_lua.py::test_a_batch_is_applied_with_all_that_belongs_to_it[valkey]",
    ),
    Mutant(
        "a series ends a ttl after its last refresh",
        'call("SET", keys[i], texts[i], "PXAT", expires_at)',
        'call("SET", keys[i], texts[i])',
        "flush_lua.py::test_a_batch_is_applied_with_all_that_belongs_to_it[valkey]",
    ),
    Mutant(
        "a million merges are rounded as if they were one",
        "return total, lo - (total - sum)",
        "return total, 0",
        "flush_lua.py::test_many_merges_of_fractions_are_rounded_once[valkey]",
    ),
    Mutant(
        "numbers keep every digit",
        "if tonumber(short) == n then return short end",
        "do return short end",
        "flush_lua.py::test_numbers_keep_every_digit",
    ),
    Mutant(
        "counts of other bounds never go into too small a bucket",
        "bounds[j] < bound do",
        "bounds[j] <= bound do",
        "flush_lua.py::test_other_bounds_fold_into_the_next_one_at_or_above[valkey]",
    ),
    Mutant(
        "no text holds the server up",
        "if bytes > unusual_left then return false end",
        "",
        "hostile_series.py::test_no_text_holds_the_server_up[valkey-many bounds-histogram]",
    ),
    Mutant(
        "only JSON is written back",
        "if not are_canonical(bounds) then known_bounds[bounds] = false end",
        "",
        "hostile_series.py::test_what_is_written_is_json[valkey-commas-histogram]",
    ),
    Mutant(
        "what a very great amount hid in a sum comes back",
        "if not (greatest < 2 ^ 53) and held.writers <= leases_left then",
        "if false then",
        "shared_gauges.py::test_a_great_amount_is_written_again[valkey]",
    ),
    Mutant(
        "no text in the state stops a batch",
        "swept, goal = score_of(swept), score_of(goal)",
        "",
        "sweep.py::test_an_odd_state_stops_neither_batch_nor_sweep[valkey-8-swept]",
    ),
)


def table() -> str:
    """Return the table of docs/protocol.md."""
    rows = [f"| {one.promise} | `{_shown(one.line)}` | `{one.test.partition('[')[0]}` |" for one in MUTANTS]
    return "\n".join(
        ["| promise | line of `flush.lua` | fails without it, in `tests/writer/test_…` |", "|---|---|---|", *rows]
    )


def _shown(line: str) -> str:
    return line.strip(" ,\n-").replace("|", "\\|")


def tests_pass(tree: Path, tests: list[str]) -> bool:
    """Return whether these tests pass in a copy of the tree.

    Raises:
        SystemExit: they could not be run.
    """
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--timeout", "60"]
    command += [f"tests/writer/test_{test}" for test in tests]
    environment = os.environ | {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    if done.returncode not in {0, 1} or re.search(r"\d skipped", done.stdout):
        raise SystemExit(f"{' '.join(tests)} could not be run:\n{done.stdout}{done.stderr}")
    return done.returncode == 0


def survivors(tree: Path, mutants: list[Mutant]) -> list[Mutant]:
    """Try one mutant after another in this copy of the tree; return those that no test notices."""
    script, survived = (tree / SCRIPT).read_text(encoding="utf-8"), []
    for mutant in mutants:
        (tree / SCRIPT).write_text(mutant.applied_to(script), encoding="utf-8")
        alive = tests_pass(tree, [mutant.test])
        sys.stdout.write(f"{'SURVIVED' if alive else 'killed':10}{mutant.promise}\n")
        sys.stdout.flush()
        survived += [mutant] if alive else []
    (tree / SCRIPT).write_text(script, encoding="utf-8")
    return survived


def main(words: list[str]) -> None:
    """Try the mutants whose promise has one of `words`; all, without words."""
    chosen = [mutant for mutant in MUTANTS if not words or any(word in mutant.promise for word in words)]
    with TemporaryDirectory() as folder:
        tree = Path(folder)
        for name in COPIED:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
            copy(ROOT / name, tree / name)
        if not tests_pass(tree, sorted({mutant.test for mutant in chosen})):
            raise SystemExit("A test fails without any change: mend that first.")
        survived = survivors(tree, chosen)
    sys.stdout.write(f"{len(chosen) - len(survived)} of {len(chosen)} mutants killed\n")
    sys.exit(bool(survived))


if __name__ == "__main__":
    if sys.argv[1:] == ["--table"]:
        sys.stdout.write(f"{table()}\n")
    else:
        main(sys.argv[1:])
