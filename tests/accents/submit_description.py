"""The language of HTCondor's submit descriptions, as far as one job needs it.

https://htcondor.readthedocs.io/en/24.0/man-pages/condor_submit.html: a line that ends in a
backslash goes on in the next one; names are of one case; the last of several lines counts.
"""

from __future__ import annotations

import re
import shlex

from accents.classad import Ad, value

_LINE = re.compile(r"([+\w.]+)\s*=\s*(.*)")
_QUEUE = re.compile(r"queue(?:\s+(.*))?", re.IGNORECASE)
_MACRO = re.compile(r"\$\((\w+)(?::([^)]*))?\)")
# the one policy of a job that the cluster behind this pool can follow
_LATE = re.compile(r"JobCurrentStartDate\s*>=?\s*(\d+)")


class Description:
    """What a description says. `queued`: how many jobs, '' without a queue statement."""

    def __init__(self, text: str) -> None:
        self._keys: dict[str, str] = {}
        self.attributes: Ad = {}
        self.queued = ""
        self.lines = text.count("\n")
        for line in re.sub(r"\\\n\s*", "", text).split("\n"):
            self._note(line.strip())

    def _note(self, line: str) -> None:
        queue, pair = _QUEUE.fullmatch(line), _LINE.fullmatch(line)
        if queue:
            self.queued = queue[1] or "1"
        elif pair and not self.queued:
            name = re.sub(r"\A(?:\+|my\.)", "", pair[1], flags=re.IGNORECASE)
            if name == pair[1]:
                self._keys[name.lower()] = pair[2]
            else:
                for old in [old for old in self.attributes if old.lower() == name.lower()]:
                    del self.attributes[old]
                self.attributes[name] = value(pair[2])

    def get(self, key: str, **macros: str) -> str:
        """The value of a key, or ''; `$(Cluster)` and others as in `macros`."""
        known = {**self._keys, "process": "0", "procid": "0"}
        known |= {name.lower(): text for name, text in macros.items()}
        known["clusterid"] = known.get("cluster", "")
        return _MACRO.sub(lambda m: known.get(m[1].lower(), m[2] or ""), self._keys.get(key, ""))

    @property
    def arguments(self) -> list[str]:
        """In the old syntax, or in the new one inside of double quotes."""
        text = self.get("arguments")
        return shlex.split(text[1:-1]) if text.startswith('"') else text.split()

    @property
    def environment(self) -> dict[str, str]:
        """In the new syntax."""
        pairs = shlex.split(self.get("environment").strip('"'))
        return {name: text for name, _, text in (pair.partition("=") for pair in pairs)}

    @property
    def walltime(self) -> str:
        """Seconds after which the job's own policy removes it, or ''."""
        late = _LATE.search(self.get("periodic_remove"))
        return late[1] if late else ""
