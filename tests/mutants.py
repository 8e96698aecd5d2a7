"""Each safeguard taken away: which trial finds that it is gone?

A mutant is the package with one text replaced. `trial` is HISTORIES (a random history must fail,
see trials.py), or the name of the test that must fail. Safeguards that stand behind one another
cannot be found one by one in histories: there a test of the part proves them.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

HISTORIES = "histories"


@dataclass(frozen=True)
class Mutant:
    """`old` occurs once in `file` of the package, and is replaced by `new`."""

    name: str
    file: str
    old: str
    new: str
    trial: str = HISTORIES

    def make(self, package: Path, folder: Path) -> None:
        """A copy of the package below `folder`, without this safeguard."""
        copy = folder / package.name
        shutil.copytree(package, copy, ignore=shutil.ignore_patterns("__pycache__"))
        text = (copy / self.file).read_text()
        found = text.count(self.old)
        assert found == 1, f"{self.name}: its text occurs {found} times in {self.file}"
        (copy / self.file).write_text(text.replace(self.old, self.new))


QUEUE = """\
            "echo @queue",
            _ask(self.dialect.query([quoting.plain(jobid) for jobid in self.jobids])),
            f"echo @tokens\\n{_ask(tokens)}" if tokens else "",
"""
FILES = """\
            # a network file system shows a new file sooner to whoever reads its folder
            *(f"ls {quoting.path(folder)} >/dev/null 2>&1" for folder in self._folders()),
            "look_at_files",
"""
OBSERVE = "test_observation.py::"

MUTANTS = [
    # what is on the disk here
    Mutant(
        "flush of qsub.log",
        "ledger/attempts.py",
        "        os.fsync(file.fileno())\n",
        "",
    ),
    Mutant(
        "flush of the name of qsub.log",
        "ledger/attempts.py",
        "            files.flush_folder(path.parent)  #",
        "            pass  #",
    ),
    Mutant(
        "intent before the submission",
        "ledger/__init__.py",
        "        attempts.append(self.log, date, lines)\n        return found\n",
        "        self._due += lines\n        return found\n",
    ),
    Mutant(
        "flush of quelist",
        "ledger/files.py",
        "            os.fsync(file.fileno())\n",
        "            pass\n",
    ),
    Mutant(
        "rename into place",
        "ledger/files.py",
        'path.with_name(f".{path.name}.new")',
        "path",
    ),
    Mutant(
        "verdict in quelist before qsub.log closes",
        "ledger/__init__.py",
        "        with self._pending.writing(self.log):\n",
        "        with self._pending.writing(self.log):\n            pass\n        if True:\n",
    ),
    Mutant(
        "accepted before started",
        "ledger/__init__.py",
        "        attempts.append(self.log, date, lines)\n\n    def settle",
        "        self._due += lines\n\n    def settle",
        "test_ledger.py",
    ),
    Mutant(
        "torn line closed off",
        "ledger/attempts.py",
        'text = f"{_TORN}\\n{text}"',
        "pass",
    ),
    # at most once
    Mutant(
        "claim",
        "remote/submission.py",
        "take() { set -C;",
        "take() {",
    ),
    Mutant(
        "adopt before retry",
        "ledger/__init__.py",
        "            if not entry.open:\n",
        "            if True:\n",
    ),
    Mutant(
        "token look-up",
        "judge.py",
        "return seen.by_token(attempt.token) or (",
        "return (",
    ),
    Mutant(
        "token on the submission",
        "schedulers/slurm.py",
        "sbatch --parsable --comment={token} {options}",
        "sbatch --parsable {options}",
    ),
    Mutant(
        "wait for a shell that is still at work",
        "judge.py",
        "(claim.alive and not claim.answered) or not",
        "not",
    ),
    Mutant(
        "patience with a lost answer",
        "judge.py",
        "        if refused(claim, self.dialect):\n            return 0.0\n",
        "        if True:\n            return 0.0\n",
    ),
    Mutant(
        "unsure is never submitted again",
        "ledger/quelist.py",
        '    "unsure": State.UNSURE,\n',
        '    "unsure": State.READY,\n',
    ),
    Mutant(
        "hangup ignored",
        "remote/framing.py",
        "\"trap '' HUP PIPE\\nexec",
        '"exec',
    ),
    Mutant(
        "one compound command",
        "remote/framing.py",
        '            "{\\nLC_ALL=C;',
        '            "LC_ALL=C;',
    ),
    Mutant(
        "earlier marker removed",
        "remote/submission.py",
        ' || rm -f "$4"',
        " || :",
        OBSERVE
        + "test_an_earlier_attempts_marker_is_removed_before_the_submission_and_never_after",
    ),
    # absence must be proven
    Mutant(
        "proof of absence",
        "judge.py",
        "return absence.looks >= PROOF and self.now - absence.since >= patience",
        "return True",
    ),
    Mutant(
        "second look",
        "judge.py",
        "PROOF = 2",
        "PROOF = 1",
        "test_judge.py",
    ),
    Mutant(
        "patience with a late marker",
        "judge.py",
        " and self.now - absence.since >= patience",
        "",
    ),
    Mutant(
        "marker read after the queue",
        "remote/observation.py",
        QUEUE + FILES,
        FILES + QUEUE,
        OBSERVE + "test_the_queue_is_looked_at_before_the_files",
    ),
    Mutant(
        "files alone prove no absence",
        "monitor.py",
        "        if seen.early:  # the files alone say only who finished\n",
        "        if False:\n",
        "test_looking.py::test_an_early_look_proves_no_absence",
    ),
    Mutant(
        "files alone do not say that a job left the queue",
        "monitor.py",
        'verdict.what == "finished" and not seen.early\n',
        'verdict.what == "finished"\n',
        "test_looking.py::test_a_job_seen_by_its_marker_alone_is_not_said_to_have_left_the_queue",
    ),
    Mutant(
        "one question to the scheduler an interval",
        "looking.py",
        "self._asked + interval - ",
        "self._asked + interval / 4 - ",
        "test_looking.py::test_dependents_follow_soon_with_one_question_to_the_scheduler_an_interval",
    ),
    Mutant(
        "a claim names the subshell",
        "remote/submission.py",
        "then look self; else look $(exec sh -c 'echo $PPID'); fi",
        "then look $$; fi",
        "test_session.py::test_a_submitting_subshell_that_was_killed_is_known_to_be_dead",
    ),
    Mutant(
        "exit status of the scheduler",
        "remote/observation.py",
        "    if section.exit_code != 0 or doubts:\n",
        "    if doubts:\n",
    ),
    Mutant(
        "unknown words on stderr",
        "remote/observation.py",
        "    if section.exit_code != 0 or doubts:\n",
        "    if section.exit_code != 0:\n",
    ),
    Mutant(
        "end of the answer",
        "remote/framing.py",
        '            end = lines.index(f"end {self.nonce}", begin)\n',
        '            end = [*lines, f"end {self.nonce}"].index(f"end {self.nonce}", begin)\n',
        OBSERVE + "test_an_answer_cut_at_any_byte_is_never_a_look",
    ),
    Mutant(
        "grace for other files",
        "monitor.py",
        "return calm or not self",
        "return True or not self",
        "test_monitor.py::test_a_file_that_shows_up_after_its_job_has_ended_is_waited_for",
    ),
    # look-ahead
    Mutant(
        "guard of a job handed in ahead",
        "remote/submission.py",
        """f'guarded "$script" || return; '""",
        "''",
    ),
    Mutant(
        "what a job waits for in its intent",
        "ledger/attempts.py",
        "    if attempt.after:\n",
        "    if False:\n",
    ),
    Mutant(
        "taking out of the queue",
        "ahead.py",
        "            self.host.ask(Kill(self.dialect, self.run.rdir, stale))\n",
        "",
    ),
    Mutant(
        "turned back is not failed",
        "judge.py",
        "        if entry.attempt.after and not ending.began:\n",
        "        if False:\n",
        "test_ahead.py::test_what_needs_a_failed_job_leaves_the_queue_and_is_blocked",
    ),
    Mutant(
        "one decision whether a job begins",
        "remote/observation.py",
        '  mkdir "$claim/fate" 2>/dev/null && mkdir "$claim/fate/turned-back"\n',
        '  mkdir -p "$claim/fate/turned-back"\n',
        "test_ahead.py::test_a_look_takes_the_right_to_begin_from_a_job_that_has_left_the_queue",
    ),
    # kill
    Mutant(
        "void claims at a kill",
        "remote/killing.py",
        '*(f"void {quoting.plain(attempt.token)}" for attempt',
        '*(f"report {quoting.plain(attempt.token)}" for attempt',
    ),
    Mutant(
        "tokens looked up at a kill",
        "actions/kill.py",
        "seen = Seen(answer.queue, claims",
        "seen = Seen({}, claims",
        "test_killing.py::test_a_submission_in_doubt_is_found_by_its_token_where_the_queue_shows_none",
    ),
    # names, and one monitor
    Mutant(
        "quoting",
        "quoting.py",
        'return word("./" + relative) if',
        'return "./" + relative if',
    ),
    Mutant(
        "names that look like options",
        "quoting.py",
        'return word("./" + relative) if',
        "return word(relative) if",
    ),
    Mutant(
        "lock",
        "lock.py",
        "        lock.acquire()\n",
        "        pass\n",
        "test_one_monitor.py",
    ),
]
