# How outputs come to their place. qsub.job and qsub.hadd read this file; it has no line to change,
# but `whole` may be made stricter.
#
# An output is complete if OUTPUT.sha256 beside it has its checksum. It is written in a hidden folder
# beside its place and linked there when it is whole. So nobody ever sees half of one, and of two jobs
# with the same output, perhaps of two sites, the first one wins; the second compares and says so.

inputs=
patience=10     # seconds for the checksum of an output that another job has just put there

# Whether what the program wrote looks whole.
whole() { [ -s "$1" ]; }

quit() { code=$1; shift; printf '%s\n' "$*" >&2; exit "$code"; }

# Reads the script that sets the environment, which may set anything but where the program reads and
# writes.
environment() {
  readonly exe run made
  [ -z "$1" ] || . "$1"
}

# The SHA-256 of a file, or of what comes in; nothing if it cannot be had.
checksum() (
  [ $# -eq 0 ] || exec <"$1" || exit 1
  if command -v sha256sum >/dev/null 2>&1; then set -- "$(sha256sum)"
  else set -- "$(shasum -a 256)"; fi
  printf '%s\n' "${1%% *}"
)

# The checksum that stands in a file of checksums; nothing if there is none.
noted() { [ -f "$1" ] && sed -n '1s/ .*//p' "$1"; }

# Whether the output is there with its checksum, which is then in `there`. If a job was cut off between
# the two, its checksum is still in its hidden folder.
complete() {
  [ -f "$output" ] && there=$(checksum "$output") && [ "$there" ] || return 1
  for file in "$output.sha256" "$folder/.$name."*"/$name.sha256"; do
    [ "$(noted "$file")" = "$there" ] || continue
    [ "$file" = "$output.sha256" ] && return 0
    cp "$file" "$file.$$" && mv -f "$file.$$" "$output.sha256" && return 0
  done
  return 1
}

# Like `complete`, but waits for the checksum of an output that was put there this very moment.
settled() {
  until complete; do
    [ -z "$replace" ] && [ -e "$output" ] || return 1
    patience=$((patience - 1))
    [ "$patience" -ge 0 ] ||
      quit 1 "$output is there, and no checksum beside it fits: remove it, or replace it with -w"
    sleep 1
  done
}

# What the output is made of: complete is then only what was made of just these files.
made_of() {
  inputs=$(
    for file in "$@"; do
      [ -s "$file" ] || quit 1 "there is no $file, or nothing in it"
      sum=$(noted "$file.sha256")
      printf '%s\n' "${sum:-$(checksum "$file")}"
    done
  ) || exit 1
  inputs=$(printf '%s\n' "$inputs" | checksum)
}

# True, with a word in the job's output, if there is nothing to do. Else `made` says where to write.
was_there() {
  folder=${output%/*} name=${output##*/}
  mkdir -p "$folder" || quit 1 "cannot make $folder"
  [ ! -d "$output" ] || quit 1 "$output is a folder"
  found=
  settled && found=yes
  forget_earlier_try
  if [ "$found" ] && [ "$inputs" ] && ! grep -qx "# of $inputs" "$output.sha256"; then
    printf 'is there, but of other inputs: %s\n' "$output"
    replace=yes
  fi
  if [ "$found" ] && [ -z "$replace" ]; then
    printf 'was there: %s sha256 %s\n' "$output" "$there"
    return 0
  fi
  number=0
  until mkdir "$folder/.$name.$(uname -n).$$.$number" 2>/dev/null; do
    number=$((number + 1))
    [ "$number" -lt 20 ] || quit 1 "cannot make a folder in $folder"
  done
  made=$folder/.$name.$(uname -n).$$.$number/$name
  printf '%s\n' "${made%/*}" >temporary
  trap 'rm -rf "${made%/*}"' EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  return 1
}

# The same job's hidden folder, if it was killed before it could remove it.
forget_earlier_try() {
  earlier=$([ ! -f temporary ] || cat temporary)
  case $earlier in "$folder/.$name."*/*) ;; "$folder/.$name."?*) rm -rf "$earlier" ;; esac
}

# publish STATUS: checks what the program wrote, and puts it into its place with its checksum.
publish() {
  [ "$1" -eq 0 ] || quit "$1" "the program ended with status $1: nothing was put into place"
  whole "$made" || quit 1 "the program ended well, but its output is empty or not there: $made"
  sum=$(checksum "$made")
  [ "$sum" ] || quit 1 "there is no checksum of $made: sha256sum or shasum is needed"
  printf '%s  %s\n' "$sum" "$name" >"$made.sha256" &&
    { [ -z "$inputs" ] || printf '# of %s\n' "$inputs" >>"$made.sha256"; } ||
    quit 1 "cannot write $made.sha256"
  trap '' HUP INT TERM
  if [ -z "$replace" ] && ln "$made" "$output" 2>/dev/null; then
    mv -f "$made.sha256" "$output.sha256" || quit 1 "cannot write $output.sha256"
    there=$sum
  elif [ -z "$replace" ] && [ -e "$output" ]; then
    same_as
  else # to be replaced, or in a file system without links
    mv -f "$made" "$output" && mv -f "$made.sha256" "$output.sha256" ||
      quit 1 "cannot write $output"
    complete && [ "$there" = "$sum" ] || quit 1 "another job writes $output, too: try again"
  fi
  printf 'complete: %s sha256 %s\n' "$output" "$there"
}

# Another job was faster: is its output what we have made?
same_as() {
  settled || quit 1 "$output was there, and is gone: try again"
  printf 'same-as: %s sha256 %s\n' "$output" "$there"
  [ "$there" = "$sum" ] || printf 'ours differed, and was dropped: sha256 %s\n' "$sum"
}
