"""The options: one definition for the command line, `jobmon.toml`, `JOBMON_*` and restarts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import (
    BaseSettings,
    SettingsConfigDict,
)

from jobauto import placeholders, resources, services
from jobauto.errors import near
from jobauto.resources import Resources
from jobauto.schedulers import DIALECTS

FILE = "jobmon.toml"
PREFIX = "JOBMON_"
WEEK = 7 * 24 * 3600
SCHEDULERS = ("auto", *DIALECTS)


class Settings(BaseSettings):
    """What a run is started with. Field descriptions are the `--help` texts."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="ignore", populate_by_name=True, validate_default=False
    )

    ldir: Path = Field(description="folder of the project (with init/), or of a run to go on with")
    rdir: str | None = Field(
        None, description="folder of the project on the remote; not needed with --remote local"
    )
    remote: str = Field("local", description="user@host (or an alias of ~/.ssh/config), or local")
    hostname: str | None = Field(None, description="the remote where --remote is not given")
    username: str | None = Field(
        None,
        description="your name on the remote, where it is given without (default: as ssh says)",
    )
    binpath: str | None = Field(None, description="replaces __binpath__ in the scripts")
    pythonpath: str | None = Field(None, description="replaces __pythonpath__ in the scripts")
    maxqsub: int = Field(4, ge=1, description="at most so many jobs in the queue at a time")
    maxpending: int | None = Field(
        None, ge=1, description="at most so many of them waiting there to run (default: no limit)"
    )
    order: Literal["fifo", "critical-path"] = Field(
        "fifo",
        description="of the jobs that may start go first: fifo, those that could start first; "
        "critical-path, those with the longest chain of jobs still to come, by what jobs of each "
        "id took before (an uneven tree ends sooner)",
    )
    native_deps: bool = Field(
        False,
        description="hand jobs in while what they need is still being made, within --maxqsub; the "
        "scheduler lets them wait (afterok, hold_jid, done), so nothing lies between two jobs",
    )
    maxcore: int = Field(16, ge=1, description="replaces __maxcore__ in the scripts")
    interval: float = Field(
        10, gt=0, le=WEEK, description="seconds from one look at the queue to the next"
    )
    initonly: bool = Field(False, description="make and send the dated copy, then end")
    datedir: str | None = Field(None, description="go on with the run of this date in --ldir")
    scheduler: str = Field("auto", description=f"the remote's queue: {', '.join(SCHEDULERS)}")
    queue: str | None = Field(None, description="ask for this queue (or partition)")
    walltime: str | None = Field(None, description="ask for so much time: 36:00:00, 90m, 36h, 2d")
    cores: str | None = Field(
        None, description="ask for so many cores on one machine; NAME:N for Grid Engine's -pe"
    )
    memory: str | None = Field(None, description="ask for so much memory a job: 8G, 500M")
    account: str | None = Field(None, description="the account or project that pays")
    tokens: dict[str, Annotated[int, Field(ge=0)]] = Field(
        default_factory=dict,
        description="how many there are of the tokens that qsub.resources.<id> names: licence=4 "
        "(default 1 each); over all your runs on this machine",
    )
    qsubheader: Path | None = Field(None, description="file whose text replaces __HEADER__")
    set: dict[str, str] = Field(
        default_factory=dict, description="replaces __k__ by v in the scripts (k=v ...)"
    )
    keep: list[str] = Field(
        default_factory=list, description="names like __NAME__ that may stay in the scripts"
    )
    results: list[str] = Field(
        default_factory=list,
        description="files to bring home when a job ends: patterns of rsync, such as '*.png'",
    )
    receive_path: Path = Field(
        Path("output_files"), description="batches: folder here for the outputs that they bring"
    )
    keep_remote: bool = Field(
        False,
        description="batches, inbox: leave folders on the remote when what they hold is here",
    )
    retries: int = Field(0, ge=0, description="try a failed job so many times again")
    max_error_percent: float | None = Field(
        None,
        ge=0,
        lt=100,
        description="submit nothing for a while when more than this share of recent jobs failed",
    )
    error_window: float = Field(
        600, gt=0, le=WEEK, description="seconds to look back for --max-error-percent"
    )
    error_pause: float = Field(
        600, gt=0, le=WEEK, description="seconds to wait when --max-error-percent is passed"
    )
    delay: float = Field(
        0, ge=0, le=WEEK, description="seconds from one submission to the next; then one at a time"
    )
    lock_file: Path | None = Field(
        None, description="submit nothing while this file is there, whoever made it"
    )
    grace: float = Field(
        90, ge=0, le=WEEK, description="seconds for a marker to show up after its job has ended"
    )
    give_up: float | None = Field(
        None, gt=0, description="end with exit code 4 after so many seconds without any answer"
    )
    port: int | None = Field(
        None,
        ge=1,
        le=65535,
        description="listen for HTTP on this port of 127.0.0.1 (default: the first free from 8080)",
    )
    no_http: bool = Field(False, description="listen for no HTTP")
    notify: list[SecretStr] = Field(
        default_factory=list,
        description="tell these services (URLs of apprise) when the run ends or needs you; as they "
        "hold secrets they best stand in your own jobmon.toml or JOBMON_NOTIFY, and are not "
        "remembered",
    )
    on_event: str | None = Field(
        None,
        description="run this command of sh when the run ends or needs you; it finds what and why "
        "in JOBAUTO_EVENT, JOBAUTO_TITLE, JOBAUTO_TEXT, JOBAUTO_RUN, JOBAUTO_COUNTS",
    )
    task: str | None = Field(
        None, min_length=1, description="share the jobs with all who run this task (see --db)"
    )
    db: str | None = Field(
        None,
        description="database of the task: postgresql://me@host/name (password in ~/.pgpass); "
        "default: a file of SQLite in your own folder",
    )
    site: str | None = Field(
        None, description="how the task calls your cluster (default: its host)"
    )
    reuse: str | None = Field(
        None,
        description="take over results of jobs with the same qsub.inputs from this run, or from "
        "all runs in this folder (default: those of LDIR); off: run all jobs",
    )
    dry_run: bool = Field(False, description="show what would be sent and submitted; send nothing")
    once: bool = Field(False, description="look and submit once, then end (for cron)")

    @field_validator("scheduler")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in SCHEDULERS:
            raise ValueError(f"no such scheduler; {near(name, SCHEDULERS)}")
        return name

    @field_validator("notify")
    @classmethod
    def _understood(cls, urls: list[SecretStr]) -> list[SecretStr]:
        for url in urls:
            services.opened(url.get_secret_value())
        return urls

    @field_validator(*resources.KEYS)
    @classmethod
    def _resource(cls, text: str | None, info: ValidationInfo) -> str | None:
        if text is not None and info.field_name:
            resources.KEYS[info.field_name](text)
        return text

    @field_validator("db")
    @classmethod
    def _no_password(cls, url: str | None) -> str | None:
        if url is not None and re.match(r"[^/]*//[^/@]*:[^/]*@", url):
            raise ValueError("no password belongs here: put it into ~/.pgpass or PGPASSWORD")
        return url

    @field_validator("task")
    @classmethod
    def _alone(cls, task: str | None, info: ValidationInfo) -> str | None:
        if task is not None and info.data.get("native_deps"):
            raise ValueError("does not go with --native-deps: others may run what a job waits for")
        return task

    @field_validator("cores", mode="before")
    @classmethod
    def _number(cls, value: Any) -> Any:
        return str(value) if isinstance(value, int) else value

    @property
    def asked(self) -> Resources:
        """What each job asks of the scheduler, unless its own file says something else."""
        values = {key: getattr(self, key, None) for key in resources.KEYS}
        return resources.parse({key: text for key, text in values.items() if text is not None})

    @field_validator("lock_file")
    @classmethod
    def _from_anywhere(cls, path: Path | None) -> Path | None:
        """The same file also for a monitor that is started again elsewhere."""
        return path.expanduser().absolute() if path else None

    @field_validator("set", mode="before")
    @classmethod
    def _keys(cls, pairs: Any) -> Any:
        """Numbers in a toml file are texts, too; a key must be able to stand in `__key__`."""
        if not isinstance(pairs, dict):
            return pairs
        for key in pairs:
            if not placeholders.is_name(key):
                raise ValueError(f"{key!r} cannot stand in __key__: letters, digits, single _")
        return {k: str(v) if isinstance(v, int | float) else v for k, v in pairs.items()}


# Options which say what this one call is to do, not what the run is: never remembered.
OF_THE_CALL = {"initonly", "dry_run", "once", "datedir", "ldir"}
# Options which are never remembered, shown, or handed to jobs and commands.
SECRET = {"notify"}


def option(name: str) -> str:
    """The option of a field, as typed."""
    return "--" + name.replace("_", "-")


def without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that a job or a command may see."""
    hidden = {PREFIX + name.upper() for name in SECRET} | {"PGPASSWORD"}
    return {name: text for name, text in environment.items() if name not in hidden}
