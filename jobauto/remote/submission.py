"""The at-most-once protocol: one remote command submits many jobs, each behind a claim.

On the remote each attempt has a folder `.jobauto/claims/<token>`. Whoever makes `begun` in it (a
shell's noclobber is atomic) submits; anybody who comes later only reads what is in it. So sending
the same attempt again is always safe, whatever became of the first sending. Inside:

    begun   first empty, then pid, host and start time of the submitting shell (the last is missing
            where neither /proc nor ps tells it); the earlier attempt's marker is gone by then
    out err what the scheduler said
    rc      its exit status; written last, so that with it the answer is whole

A job that is handed in ahead (--native-deps) waits in the queue for other jobs. That these ended
proves nothing: the job begins with a guard, which turns it back unless all that it needs is there.
Then there are in its claim, too:

    needs guard qsub.<id>   the files that it needs, the guard, the script as it was handed in
    fate/                   whoever makes this folder decides, once for all, whether the script may
                            begin: the guard, or a look after the job has left the queue
    fate/begins             the guard let it begin: it does so again if the job is queued again
    fate/turned-back        it will never begin
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from jobauto import quoting
from jobauto.errors import CouldNotAsk
from jobauto.model import Attempt, Claim
from jobauto.remote.framing import CLAIMS, Answer, Frame, Section, portions, sections
from jobauto.schedulers import Dialect

# With this status the guard of a job that was handed in ahead ends it (EX_TEMPFAIL of sysexits.h).
TURNED_BACK = 75
# After so many refusals in a row the rest of a batch waits for the next tick.
REFUSALS = 3

CLAIM_FUNCTIONS = (
    rf"""
root=$PWD claims={CLAIMS}
{{ read -r here </proc/sys/kernel/hostname; }} 2>/dev/null || here=$(uname -n)
"""
    + r"""
# folders TOKEN...: make folders of claims where there are none; empty they are no claims
folders() {
  for token; do
    shift
    [ -d "$claims/$token" ] || set -- "$@" "$claims/$token"
  done
  [ $# = 0 ] || mkdir -p "$@"
}
# take CLAIM: whether it is ours from now on, to submit or to make void
take() { set -C; { true >"$1/begun"; } 2>/dev/null; set -- $?; set +C; return $1; }
report() { # report TOKEN: what lies in its claim
  c="$root/$claims/$1"
  if [ -e "$c/begun" ]; then echo "@claim $1"; else echo "@noclaim $1"; return; fi
  rc=; [ -f "$c/rc" ] && read -r rc <"$c/rc" || rc=
  show o "$c/self"
  show o "$c/out" ${rc#0} # with status 0, what lacks its newline may be a half JOBID: a full disk
  show e "$c/err" $rc
  [ "$rc" ] && echo "r $rc"
  [ -s "$c/begun" ] || return 0
  if [ "$rc" ]; then echo "@begun $1"; return; fi # answered: it is all the same who still runs
  read -r pid host born <"$c/begun" || return 0
  echo "@begun $1"
  [ "$host" = "$here" ] || return 0
  if still_at_work "$pid" "$born"; then echo "@alive $1"
  elif [ ! -s "$c/rc" ]; then echo "@dead $1" # else it has answered since, and is over
  fi
}
still_at_work() { # still_at_work PID START: is it there, and no later process with its pid?
  kill -s 0 "$1" 2>/dev/null || return 1
  look "$1" 2>/dev/null
  [ "$code" != Z ] && [ "${2:-$start}" = "$start" ]
}
"""
)

_SUBMIT_FUNCTIONS = r"""
# this subshell, for which /proc/self stands in its own redirections: $$ is the shell that stays
if [ -r /proc/self/stat ]; then look self; else look $(exec sh -c 'echo $PPID'); fi 2>/dev/null
me="$pid $here $start"
attempt() { # attempt TOKEN FOLDER SCRIPT MARKER [OPTION...]
  claim="$root/$claims/$1"
  if [ $refused -lt $allowed ] && take "$claim"; then
    if ! { cd "$2" && { [ ! -e "$4" ] && [ ! -L "$4" ] || rm -f "$4"; }; } 2>"$claim/err"; then rc=1
    elif ! echo "$me" >"$claim/begun"; then
      rm -f "$claim/err" "$claim/begun"; claim= rc=1 # a full disk: it may be another's from now on
    else hand_in "$@" >"$claim/out" 2>"$claim/err" </dev/null 5>&-; rc=$?
    fi
    cd "$root" && [ "$claim" ] && echo $rc 2>/dev/null >"$claim/rc"
    if [ $rc = 0 ]; then refused=0; else refused=$((refused + 1)); fi
  fi
}
"""


# In the queue the job runs on another machine, whose view of the folders may be late.
_AHEAD_FUNCTIONS = r"""
nl='
'
guarding='
claim=${0%/*}
cd "$claim/../../.." || exit 1
for pause in 1 4 0; do
  missing=
  while IFS= read -r file; do
    file=./$file
    [ -e "$file" ] || { ls "${file%/*}" >/dev/null 2>&1; [ -e "$file" ]; } || missing=$file
  done <"$claim/needs"
  [ "$missing" ] || break
  [ $pause = 0 ] || sleep $pause
done
cd "$claim" || exit 1
if [ "$missing" ]; then
  echo "jobauto: $missing is not there, so this job is put back" >&2
  mkdir fate && mkdir fate/turned-back
  exit 1
fi
mkdir fate 2>/dev/null && mkdir fate/begins || [ -d fate/begins ]
'
ahead() { # ahead [=JOBID|TOKEN]... -- [FILE]...: what the next attempt waits for, and needs
  after= needs= untaken=
  while [ "$1" != -- ]; do
    case $1 in
      =*) jobid=${1#=};;
      *) taken "$root/$claims/$1";;
    esac
    [ "$jobid" ] || untaken=$1
    after=$after${after:+$between}$jobid
    shift
  done
  shift
  for file; do needs=$needs$file$nl; done
}
taken() { # taken CLAIM: its JOBID to $jobid, '' if it was not taken
  rc= jobid=
  { read -r rc <"$1/rc" && read -r jobid <"$1/out"; } 2>/dev/null
  told
  case $rc$jobid in 0[0-9]*) ;; *) jobid=;; esac
  case $jobid in *[!][0-9A-Za-z._-]*) jobid=;; esac
}
head_guarded() { # a script with the guard behind its head, where directives stand
  body=
  while IFS= read -r line || [ "$line" ]; do
    case ${line#"${line%%[![:space:]]*}"} in
      '' | '#'*) printf '%s\n' "$line";;
      *) body=1; break;;
    esac
  done
  [ "$body" ] || return 0
  printf '%s\n%s\n' "$guard" "$line" && cat
}
guarded() { # guarded SCRIPT: its name, or its copy, to $script, with the line that guards it
  printf %s "$needs" >"$claim/needs" && echo "$guarding" >"$claim/guard" || return
  guard="sh $there/$token/guard || exit TURNED_BACK"
  script=$1
  [ "$guards" ] && return
  head_guarded <"$1" >"$claim/$1" || return
  script=$claim/$1
}
""".replace("TURNED_BACK", str(TURNED_BACK))


@dataclass(frozen=True, slots=True)
class Ahead:
    """What a job waits for in the queue, JOBIDs or tokens of attempts, and the files that must be
    there when it begins."""

    jobids: Sequence[str]
    tokens: Sequence[str]
    files: Sequence[str]


@dataclass(frozen=True, slots=True)
class Submit:
    """Submit these attempts in the run folder `folder`, in this order; answers token to Claim.

    `options`: token to the words that the dialect gave for the resources of the job. `ahead`: token
    to what a job waits for that is handed in ahead; attempts of which it names the tokens stand
    before it, or were made earlier. A token that is not in the answer has no claim: nothing was
    submitted for it.
    """

    dialect: Dialect
    folder: str
    attempts: Sequence[Attempt]
    options: Mapping[str, Sequence[str]] = field(default_factory=dict)
    ahead: Mapping[str, Ahead] = field(default_factory=dict)
    frame: Frame = field(default_factory=Frame)

    @property
    def timeout(self) -> float:
        return 120.0 + 5.0 * len(self.attempts)

    def script(self) -> str:
        return self.frame.script(self.folder, self.body())

    def body(self) -> str:
        """What stands in the frame."""
        command = self.dialect.submit('"$script"', '"$token"', '"$@"')
        calls = "\n".join(["attempts() {", *map(self._call, self.attempts), ":\n}"])
        reports = "\n".join(f"report {quoting.plain(a.token)}" for a in self.attempts)
        return (
            f"{self.dialect.prelude}\n{CLAIM_FUNCTIONS}"
            f"refused=0 allowed={REFUSALS}\n{claim_folders(self.attempts)}\n"
            f"{self._ahead_functions()}"
            f"hand_in() {{ token=$1 script=$3; shift 4; {self._guarded()}{command}; }}\n"
            f"{_SUBMIT_FUNCTIONS}\n{calls}\n{self.dialect.together}\n{reports}"
        )

    def _ahead_functions(self) -> str:
        if not self.ahead:
            return ""
        # as a word in the line that guards, and as a word here
        there = quoting.word(quoting.word(f"{self.folder}/{CLAIMS}"))
        between, guards = quoting.word(self.dialect.between), "yes" if self.dialect.guards else ""
        head = (
            f"there={there} between={between} guards={guards}\ntold() {{ {self.dialect.told}; }}\n"
        )
        return head + _AHEAD_FUNCTIONS

    def _guarded(self) -> str:
        if not self.ahead:
            return ""
        untaken = 'echo "what it waits for was not taken: $untaken" >&2; return 1'
        return (
            f'guard=; if [ "$needs" ]; then [ -z "$untaken" ] || {{ {untaken}; }}; '
            f'guarded "$script" || return; '
            f'[ -z "$after" ] || set -- "$@" {self.dialect.after}; fi; '
        )

    def read(self, answer: Answer) -> dict[str, Claim]:
        return read_claims(self.frame.body(answer, self.folder))

    def _call(self, attempt: Attempt) -> str:
        job, token = attempt.job, quoting.plain(attempt.token)
        names = (f"qsub.{job.id}", f"qsub.finished.{job.id}", *self.options.get(token, ()))
        call = " ".join(["attempt", token, quoting.path(job.folder), *map(quoting.word, names)])
        return f"{self._before(token)}\n{call}" if self.ahead else call

    def _before(self, token: str) -> str:
        """The call that says what an attempt waits for; nothing, for one that is not ahead."""
        ahead = self.ahead.get(token, Ahead((), (), ()))
        words = ["=" + quoting.plain(jobid) for jobid in ahead.jobids]
        words += [*map(quoting.plain, ahead.tokens), "--", *ahead.files]
        return " ".join(["ahead", *map(quoting.word, words)])


def claim_folders(attempts: Sequence[Attempt]) -> str:
    """Commands that make the folders of claims, many with one program."""
    some = portions([attempt.token for attempt in attempts])
    return "\n".join(" ".join(["folders", *tokens]) for tokens in some)


def read_claims(lines: list[str]) -> dict[str, Claim]:
    """Token to Claim from the lines that `report` printed."""
    found: dict[str, Claim] = {}
    for section in sections(lines):
        note_claim(found, section)
    return found


def note_claim(found: dict[str, Claim], section: Section) -> None:
    """Take one section of `report` into account; CouldNotAsk for one of another kind."""
    token = section.words[0] if section.words else ""
    if section.tag == "noclaim":
        return
    if section.tag == "claim":
        code = section.exit_code
        found[token] = Claim(
            answered=code is not None,
            exit_code=code or 0,
            out=section.text,
            err=section.errors,
        )
    elif section.tag in ("begun", "alive", "dead") and token in found:
        old = found[token]
        alive = {"alive": True, "dead": False}.get(section.tag, old.alive)
        found[token] = Claim(True, old.answered, old.exit_code, old.out, old.err, alive)
    else:
        raise CouldNotAsk(f"unexpected section {quoting.shown(section.tag)!r} in the answer")
